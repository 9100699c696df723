"""The condition `when:` of a method: it replaces the transport's own judgement of the network.

    when: {nat: [symmetric, blocked], interface: not wwan*}

Keys are joined by and, the words of a list by or; words with `not` take away. `nat: any` is everything but `none`.
`when: {}` always holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tunnelmgr.api.report import NatKind
from tunnelmgr.api.settings import Settings
from tunnelmgr.core.guess import closest

_NOT = "not "
_ANY = "any"
_YES_NO = {None: "", True: "true", False: "false"}
_WORDS = {**{kind.value: frozenset({kind}) for kind in NatKind}, _ANY: frozenset(NatKind) - {NatKind.NONE}}


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

    def __str__(self) -> str:
        """Return the condition as it may be written."""
        return f"{{{', '.join(self.parts.values())}}}"

    @property
    def parts(self) -> dict[str, str]:
        """What is said, by its key: "nat: symmetric"."""
        patterns = [*(self.interface or ()), *(_NOT + pattern for pattern in self.not_interface)]
        said = {
            "nat": _kinds(self.nat),
            "public_ipv4": _YES_NO[self.public_ipv4],
            "native_ipv6": _YES_NO[self.native_ipv6],
            "interface": _words(map(_quoted, patterns)),
        }
        return {key: f"{key}: {words}" for key, words in said.items() if words}

    def takes(self, interface: str) -> bool:
        """Say whether the interface of the default route may be this one."""
        wanted = self.interface is None or any(fnmatchcase(interface, pattern) for pattern in self.interface)
        return wanted and not any(fnmatchcase(interface, pattern) for pattern in self.not_interface)


def _kinds(wanted: frozenset[NatKind] | None) -> str:
    if wanted is None:
        return ""
    if wanted == _WORDS[_ANY]:
        return _ANY
    with_, without = ([kind.value for kind in NatKind if (kind in wanted) is among] for among in (True, False))
    return _words([_NOT + word for word in without] if len(without) < len(with_) else with_) or "[]"


def _words(words: Iterable[str]) -> str:
    listed = list(words)
    return f"[{', '.join(listed)}]" if len(listed) > 1 else "".join(listed)


def _quoted(text: str) -> str:
    """Quote what YAML would take for something else."""
    return f"'{text}'" if text.startswith("*") or set(text) & set("?[]{},#&!:'") else text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _kind_of_nat(word: str) -> str:
    kind = word.removeprefix(_NOT)
    if kind not in _WORDS:
        raise ValueError(f"{kind!r} is no kind of NAT; {closest(kind, list(_WORDS)) or 'known are: ' + ', '.join(_WORDS)}")
    return word


def _one_or_more(item: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


_NAT_WORD = {"enum": [*_WORDS, *(_NOT + word for word in _WORDS)]}
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
    """Condition on the network under which a method may be used.

    Keys are joined by "and", the words of a list by "or". A word with `not` before it is excluded. `{}` always holds.
    """

    nat: NatWords | None = Field(
        default=None,
        description="Kinds of NAT. `any` is all of them but `none`; `blocked` lets no UDP pass.",
        examples=[["not symmetric", "not blocked"]],
    )
    public_ipv4: bool | None = Field(
        default=None, description="Whether this host has a public IPv4 address of its own.", examples=[True]
    )
    native_ipv6: bool | None = Field(
        default=None, description="Whether this host has IPv6 without a tunnel.", examples=[False]
    )
    interface: Patterns | None = Field(
        default=None,
        description="Interface of the IPv4 default route; patterns as in the shell.",
        examples=["not wwan*"],
    )

    def resolve(self) -> When:
        """Return what is meant."""
        included, excluded = _split(self.nat or ())
        every = frozenset(NatKind)
        kinds = frozenset().union(*map(_WORDS.__getitem__, included)) if included else every
        kinds = kinds.difference(*map(_WORDS.__getitem__, excluded))
        patterns, refused = _split(self.interface or ())
        return When(
            nat=kinds if kinds != every else None,
            public_ipv4=self.public_ipv4,
            native_ipv6=self.native_ipv6,
            interface=patterns or None,
            not_interface=refused,
        )


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words wanted and those with `not`."""
    wanted = tuple(word for word in words if not word.startswith(_NOT))
    return wanted, tuple(word.removeprefix(_NOT).strip() for word in words if word.startswith(_NOT))
