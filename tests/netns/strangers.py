"""Many strangers on one host of the lab, who want something of the same far end."""

from ipaddress import IPv4Address
from typing import Final

from tunnelmgr.lab.namespaces import Host, NamespaceInternet

STRANGERS: Final = [IPv4Address("198.51.100.0") + number for number in range(1, 251)]


def strangers_host(internet: NamespaceInternet) -> Host:
    """A host that may speak from the address of each stranger."""
    host = internet.host("strangers", "203.0.113.66")
    internet.route("198.51.100.0/24", host)
    host.run(["ip", "route", "add", "local", "198.51.100.0/24", "dev", "lo"])
    return host
