"""The condition `when:` of a method: it replaces the transport's own judgement of the network.

    when: {nat: [symmetric, blocked], interface: not wwan*}

Keys are joined by and, the words of a list by or; words with `not` take away. `when: {}` always holds.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tunnelmgr.api.report import NatKind
from tunnelmgr.api.settings import Settings
from tunnelmgr.core.guess import closest

_NOT = "not "
_KINDS = [kind.value for kind in NatKind]


@dataclass(frozen=True, slots=True)
class When:
    """A condition on the network. None: says nothing about it."""

    nat: frozenset[NatKind] | None = None
    """Any of these kinds of NAT; negations are already resolved."""
    public_ipv4: bool | None = None
    native_ipv6: bool | None = None
    interface: tuple[str, ...] | None = None
    """Shell patterns of which one must match the interface of the IPv4 default route."""
    not_interface: tuple[str, ...] = ()
    """Shell patterns of which none may match it."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _kind_of_nat(word: str) -> str:
    kind = word.removeprefix(_NOT)
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of NAT; {closest(kind, _KINDS) or 'known are: ' + ', '.join(_KINDS)}")
    return word


def _one_or_more(item: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


_NAT_WORD = {"enum": [*_KINDS, *(_NOT + kind for kind in _KINDS)]}
_PATTERN = {"type": "string", "minLength": 1}
NatWords = Annotated[
    tuple[Annotated[str, AfterValidator(_kind_of_nat)], ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    _one_or_more(_NAT_WORD),
]
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), BeforeValidator(_listed), _one_or_more(_PATTERN)
]


class WhenSettings(Settings):
    """The section `when` of a method, as written."""

    nat: NatWords | None = Field(default=None, description="kinds of NAT; `not` before one excludes it")
    public_ipv4: bool | None = Field(default=None, description="whether this host has a public IPv4 address itself")
    native_ipv6: bool | None = Field(default=None, description="whether there is IPv6 without a tunnel")
    interface: Patterns | None = Field(
        default=None, description="patterns for the interface of the IPv4 default route; `not` before one excludes it"
    )

    def resolve(self) -> When:
        """Return what is meant."""
        included, excluded = _split(self.nat or ())
        kinds = {NatKind(word) for word in included} or set(NatKind)
        patterns, refused = _split(self.interface or ())
        return When(
            nat=frozenset(kinds - {NatKind(word) for word in excluded}) if self.nat else None,
            public_ipv4=self.public_ipv4,
            native_ipv6=self.native_ipv6,
            interface=patterns or None,
            not_interface=refused,
        )


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words wanted and those with `not`."""
    wanted = tuple(word for word in words if not word.startswith(_NOT))
    return wanted, tuple(word.removeprefix(_NOT).strip() for word in words if word.startswith(_NOT))
