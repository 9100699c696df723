"""The section `update`: whom to tell when this host's IPv4 address changes."""

from enum import Enum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import Settings
from tunnelmgr_sixinfour.constants import HE_UPDATE_URL


class Provider(Enum):
    """Whose words are spoken."""

    HE = "he"
    """Hurricane Electric, and all who speak dyndns2."""


def _require_https(url: str) -> str:
    if not url.startswith("https://") or "?" in url:
        raise ValueError("expected an https:// address without a query: the key is sent there")
    return url


Tunnel = Annotated[int, Field(ge=1)] | Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")]


class UpdateSettings(Settings):
    """How to tell the provider where this end is."""

    provider: Provider = Field(description="whose service it is: he (Hurricane Electric, and others that speak dyndns2)")
    tunnel: Tunnel = Field(description="number or host name of the tunnel there")
    username: str = Field(min_length=1, description="user name there")
    key: Secret = Field(description="update key of the tunnel, or the password of the account")
    url: Annotated[str, AfterValidator(_require_https)] = Field(
        default=HE_UPDATE_URL, description="address of the update service, https only"
    )

    @property
    def service(self) -> str:
        """Who is told, as messages name it."""
        return urlsplit(self.url).hostname or self.url
