"""Whether protocol 41 may work on a network."""

from ipaddress import IPv4Address

from tunnelmgr.api.addresses import SHARED, is_behind_nat
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit, Suitability


def judge(report: NetworkReport, local: IPv4Address | None) -> Suitability:
    """Judge by what was measured, then by the address that packets would leave from."""
    source = local or report.network.source
    if report.protocol41 is False:
        return Suitability(Fit.UNSUITABLE, "protocol 41 does not pass this network")
    if source is None:
        return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
    if source in SHARED:
        return Suitability(Fit.UNSUITABLE, f"{source} is behind the provider's NAT, which passes no protocol 41")
    if report.protocol41:
        return Suitability(Fit.GOOD, "protocol 41 passes to the far end and back")
    if not is_behind_nat(source):
        return Suitability(Fit.GOOD, f"this host has the public IPv4 address {source}")
    return Suitability(Fit.POSSIBLE, f"{source} is behind a NAT, which must forward protocol 41 to this host")
