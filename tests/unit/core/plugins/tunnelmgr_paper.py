"""A transport that carries nothing and has settings of every sort: for tests of profiles."""

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from random import Random
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from tunnelmgr.api.hookspecs import hookimpl
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel


class Colour(Enum):
    WHITE = "white"
    YELLOW = "yellow"


class Login(Settings):
    username: str
    key: Secret


class ClientSettings(Settings):
    server: Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)] = Field(
        min_length=1, description="name or address of the server"
    )
    port: int = Field(default=0, ge=0, le=65535)
    bind: IPv4Address | None = None
    colour: Colour = Colour.WHITE
    relay: bool = False
    weight: float = Field(default=80.0, gt=0)
    deny: tuple[IPv4Network, ...] = ()
    address: IPv6Interface | None = None
    login: Login | None = None
    size: int | str = "A4"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.relay and self.port:
            raise ValueError("a relay of paper has no port")
        if self.port == 666:
            raise LookupError("no such beast")
        return self


class ServerSettings(Settings):
    addresses: tuple[IPv4Address, ...]


class Paper(Transport):
    type_name: ClassVar[str] = "paper"
    summary: ClassVar[str] = "carries nothing"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"client": ClientSettings, "server": ServerSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self.role = role
        self.settings = settings

    def describe(self) -> str:
        return "paper"

    def suits(self, report: NetworkReport) -> Suitability:
        return Suitability(Fit.GOOD, "paper is patient")

    def tunnel(self, random: Random) -> Tunnel:
        raise NotImplementedError


@hookimpl
def tunnelmgr_register_transports() -> list[type[Transport]]:
    return [Paper]
