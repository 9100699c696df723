"""What 6to4 and 6rd let choose in common."""

from pydantic import Field

from tunnelmgr.api.settings import BYTES
from tunnelmgr_sixinfour.configured.settings import EnvelopeSettings, Mtu


class DerivedSettings(EnvelopeSettings):
    """Settings of a tunnel to many."""

    mtu: Mtu = Field(
        default="auto",
        description="MTU of the tunnel. `auto` is 1280, since every peer has a path of its own.",
        json_schema_extra=BYTES,
    )
