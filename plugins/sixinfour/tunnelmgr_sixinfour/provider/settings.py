"""The section `update`: the provider to tell when this host's IPv4 address changes."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tunnelmgr.api.names import ServerName
from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import HostName, Settings
from tunnelmgr_sixinfour.constants import HE_UPDATE_URL


def _require_https(url: str) -> str:
    scheme, slashes, rest = url.partition("://")
    server, slash, path = rest.partition("/")
    if scheme + slashes != "https://" or not (path.isascii() and path.isprintable()) or set(path) & set(" ?#"):
        raise ValueError("expected an https:// address without a query: the key is sent there")
    return f"https://{ServerName.parse(server)}{slash}{path}"


Tunnel = Annotated[int, Field(ge=1)] | HostName


class UpdateSettings(Settings):
    """A provider that must know this end's IPv4 address is told it, once per change.

    If the provider refuses, it is asked again after a change here, or after a day.
    """

    provider: Literal["he"] = Field(
        description="Service to tell. `he` is Hurricane Electric, and others that speak dyndns2.", examples=["he"]
    )
    tunnel: Tunnel = Field(description="Number or host name of the tunnel there.", examples=[123456])
    username: str = Field(min_length=1, description="User name there.", examples=["me"])
    key: Secret = Field(
        description='Update key of the tunnel ("Advanced" there), or the password of the account.',
        examples=[{"file": "he.key"}],
    )
    url: Annotated[str, AfterValidator(_require_https)] = Field(
        default=HE_UPDATE_URL,
        description="Address of the update service, https only. It is asked over IPv4 and without a proxy, since it takes "
        "the address it sees for yours.",
    )

    @property
    def service(self) -> str:
        """Who is told, as messages name it."""
        return urlsplit(self.url).hostname or self.url
