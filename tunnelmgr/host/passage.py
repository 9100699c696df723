"""Would the firewalls of this host let a packet pass? Answered from their rules, as `nft --json list ruleset` lists them.

A packet is followed through each base chain of its hook. What a rule asks beyond what is known of the packet may hold or may
not, so that the answer is a set of outcomes. Only what is certain is told: that every way through the rules ends in a drop.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from tunnelmgr.host.constants import NFT_TABLE_PREFIX

_DEEPEST: Final = 16  # jumps; as many as the kernel follows (NFT_JUMP_STACK_SIZE)
_RULES_MAX: Final = 10_000  # looked at for one packet; more than that, and nothing is certain
_REACHING: Final = {"ip6": {"ip6", "inet"}, "ip": {"ip", "inet"}}
"""Family of a packet -> those of the tables that see it."""
_META: Final = {"iif": "iifname", "iifname": "iifname", "oif": "oifname", "oifname": "oifname", "l4proto": "l4proto"}
_TRANSPORTS: Final = {"tcp", "udp", "icmpv6", "icmp", "sctp", "dccp", "th"}
_PORT: Final = "dport"
_PAYLOADS: Final = {"ipv6-icmp": "icmpv6"}
"""Word of `meta l4proto` -> that of the payload, where they differ."""
_WITHOUT_EFFECT: Final = {"counter", "log", "mangle", "comment"}


class Passage(NamedTuple):
    """A packet that the tunnel needs to get through."""

    purpose: str
    """What it is, as the object of "drops"."""
    hook: str
    """`input`, `forward` or `output`."""
    facts: Mapping[str, str]
    """What is known of it, by nft's own words: `iifname`, `oifname`, `state`, `l4proto`, `dport`."""
    family: str = "ip6"


class Cut(NamedTuple):
    """A chain that drops such a packet for certain."""

    passage: Passage
    family: str
    table: str
    chain: str

    @property
    def words(self) -> str:
        return f"another firewall drops {self.passage.purpose}: chain {self.chain} of table {self.family} {self.table}"

    @property
    def hint(self) -> str:
        """What would mend it."""
        known = (f'{key} "{value}"' for key, value in self.passage.facts.items() if key in {"iifname", "oifname"})
        port = self.passage.facts.get(_PORT) if self.passage.family == "ip" else None
        matches = " ".join([*known, *([f"udp dport {port}"] if port else [])])
        rule = f"nft insert rule {self.family} {self.table} {self.chain} {matches} accept"
        return f"let it pass: {rule}, or the same by the program that makes these rules"


class _Outcome(Enum):
    PASSED = auto()
    DROPPED = auto()
    WENT_THROUGH = auto()
    """No rule decided: the caller, or the policy, does."""


class _Holds(Enum):
    YES = auto()
    NO = auto()
    PERHAPS = auto()


_Ruleset = Sequence[Mapping[str, Any]]


def cuts(ruleset: _Ruleset, passages: Iterable[Passage]) -> tuple[Cut, ...]:
    """Return, for each passage that is cut, the first chain that does it. `ruleset` is the list that nft prints."""
    chains: dict[tuple[str, str, str], list[Sequence[Mapping[str, Any]]]] = defaultdict(list)
    bases = []
    for one in ruleset:
        if rule := one.get("rule"):
            chains[rule["family"], rule["table"], rule["chain"]].append(rule["expr"])
        elif (chain := one.get("chain")) and "hook" in chain and not chain["table"].startswith(NFT_TABLE_PREFIX):
            bases.append(chain)
    bases.sort(key=lambda chain: chain["prio"])
    found = []
    for passage in passages:
        for chain in bases:
            place = chain["family"], chain["table"], chain["name"]
            if chain["hook"] == passage.hook and chain["family"] in _REACHING[passage.family]:
                outcomes = _Walk(chains, passage.facts).through(place)
                if _Outcome.WENT_THROUGH in outcomes:
                    outcomes = outcomes - {_Outcome.WENT_THROUGH} | {_POLICIES[chain.get("policy", "accept")]}
                if outcomes == {_Outcome.DROPPED}:
                    found.append(Cut(passage, *place))
                    break
    return tuple(found)


_POLICIES: Final = {"accept": _Outcome.PASSED, "drop": _Outcome.DROPPED}


class _Walk:
    """One packet's way through the chains of one table."""

    def __init__(self, chains: Mapping[tuple[str, str, str], Sequence[Any]], facts: Mapping[str, str]) -> None:
        self._chains = chains
        self._facts = facts
        self._looked_at = 0

    def through(self, place: tuple[str, str, str], depth: int = 0) -> set[_Outcome]:
        """Return how the packet may leave a chain."""
        outcomes: set[_Outcome] = set()
        for expressions in self._chains.get(place, ()):
            self._looked_at += 1
            if depth > _DEEPEST or self._looked_at > _RULES_MAX:
                return {_Outcome.PASSED, _Outcome.DROPPED}
            holds, verdict = self._rule(expressions)
            ways = self._ways(verdict, place, depth) if holds is not _Holds.NO else set()
            ends_here = verdict is not None and ("goto" in verdict or "return" in verdict)
            outcomes |= ways if ends_here else ways - {_Outcome.WENT_THROUGH}
            if holds is _Holds.YES and ways and (ends_here or _Outcome.WENT_THROUGH not in ways):
                return outcomes
        return outcomes | {_Outcome.WENT_THROUGH}

    def _ways(self, verdict: Mapping[str, Any] | None, place: tuple[str, str, str], depth: int) -> set[_Outcome]:
        match verdict:
            case {"accept": _}:
                return {_Outcome.PASSED}
            case {"drop": _} | {"reject": _}:
                return {_Outcome.DROPPED}
            case {"jump": {"target": target}} | {"goto": {"target": target}}:
                return self.through((*place[:2], target), depth + 1)
            case {"return": _}:
                return {_Outcome.WENT_THROUGH}
            case {"vmap": _} | {"queue": _} | {"xt": _}:
                return {_Outcome.PASSED, _Outcome.DROPPED, _Outcome.WENT_THROUGH}
        return set()

    def _rule(self, expressions: Sequence[Mapping[str, Any]]) -> tuple[_Holds, Mapping[str, Any] | None]:
        """Return whether a rule takes the packet, and what it then does with it."""
        holds, verdict = _Holds.YES, None
        for expression in expressions:
            (kind,) = expression
            if kind in _WITHOUT_EFFECT:
                continue
            if kind == "match":
                this = self._match(expression[kind])
            elif kind == "vmap":
                verdict, this = self._chosen(expression[kind]), _Holds.YES
            elif kind in {"limit", "xt"} and expression is not expressions[-1]:
                this = _Holds.PERHAPS
            else:
                verdict, this = expression, _Holds.YES
            if this is _Holds.NO:
                return this, None
            holds = this if this is _Holds.PERHAPS else holds
        return holds, verdict

    def _chosen(self, vmap: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the verdict that a verdict map has for the packet; None where it has none."""
        key, data = _known_key(vmap["key"]), vmap["data"]
        if key is None or key not in self._facts or not isinstance(data, dict):
            return {"vmap": vmap}  # of what is not known, or in a map whose elements are not listed
        return next((verdict for pattern, verdict in data["set"] if _same(str(pattern), self._facts[key])), None)

    def _match(self, match: Mapping[str, Any]) -> _Holds:
        key = _known_key(match["left"])
        protocol = self._facts.get("l4proto")
        if (
            key == _PORT
            and protocol
            and match["left"]["payload"]["protocol"] not in {_PAYLOADS.get(protocol, protocol), "th"}
        ):
            return _Holds.NO
        if key is None or key not in self._facts:
            return _Holds.PERHAPS
        wanted = match["right"]
        values = wanted.get("set") if isinstance(wanted, dict) else wanted
        values = values if isinstance(values, list) else [values]
        if not all(isinstance(value, str | int) and not str(value).startswith("@") for value in values):
            return _Holds.PERHAPS
        found = any(_same(str(value), self._facts[key]) for value in values)
        return _Holds.YES if found == (match["op"] in {"==", "in"}) else _Holds.NO


def _known_key(left: Any) -> str | None:
    """Return the word for what a match looks at, where a passage may know it."""
    match left:
        case {"meta": {"key": key}}:
            return _META.get(key)
        case {"ct": {"key": "state"}}:
            return "state"
        case {"payload": {"protocol": protocol, "field": "dport" | "type"}} if protocol in _TRANSPORTS:
            return _PORT
        case _:
            return None


def _same(pattern: str, value: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == value
