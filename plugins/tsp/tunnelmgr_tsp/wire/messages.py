"""What the XML of TSP says: requests of the client, offers and referrals of the broker (docs/protocols/tsp.md section 7)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Self, TypeVar

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import REDIRECT_BROKERS_MAX
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.documents import Element, parse_document
from tunnelmgr_tsp.wire.framing import CRLF, framed, quoted, unframed

T = TypeVar("T")
UNSPECIFIED = IPv6Address(0)
_ANYONE = Element("address", {"type": "ipv6"}, "::")


class Action(Enum):
    """What a message is for."""

    CREATE = "create"
    INFO = "info"
    ACCEPT = "accept"
    REJECT = "reject"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Create:
    """A client asks for a tunnel, or to have its own again."""

    type: TunnelType
    address: IPv4Address
    """Of the signalling socket: what the broker compares with the source it sees, to find a NAT."""
    keepalive: int | None = None
    """Seconds between echoes the client would like."""
    prefix_length: int | None = None
    """Asks for a prefix of this length."""
    name_servers: tuple[str, ...] = ()
    """Names or addresses the prefix's reverse zone is to be delegated to."""
    proxy: bool = False
    """True if the client asks on behalf of another host: its source address then tells nothing."""

    @classmethod
    def from_element(cls, root: Element) -> Self:
        """Read the inside of a `create`."""
        client = _require(root.first("client"), "client")
        addresses = [one for one in client.all("address") if one.attributes.get("type", "ipv4") == "ipv4"]
        router, keepalive = client.first("router"), client.first("keepalive")
        prefix = router.first("prefix") if router else None
        servers = router.first("dns_server") if router else None
        return cls(
            _tunnel_type(root),
            _read(IPv4Address, addresses[0].text if addresses else "", "IPv4 address"),
            _number(keepalive, "interval"),
            _number(prefix, "length"),
            tuple(one.text for one in servers.all("address")) if servers else (),
            root.attributes.get("proxy") == "yes",
        )

    def serialize(self) -> bytes:
        """Return the whole request."""
        children = [_address("ipv4", self.address)]
        if self.keepalive is not None:
            children.append(Element("keepalive", {"interval": str(self.keepalive)}, "", (_ANYONE,)))
        if self.prefix_length is not None:
            inside = [Element("prefix", {"length": str(self.prefix_length)})]
            if self.name_servers:
                servers = tuple(Element("address", {"type": _kind(name)}, name) for name in self.name_servers)
                inside.append(Element("dns_server", {}, "", servers))
            children.append(Element("router", {}, "", tuple(inside)))
        client = Element("client", {}, "", tuple(children))
        return _request(Element("tunnel", {"action": "create", "type": self.type.value, "proxy": "no"}, "", (client,)))


@dataclass(frozen=True, slots=True)
class BareRequest:
    """A request that needs no words: accept, reject, info, delete."""

    action: Action

    def serialize(self) -> bytes:
        """Return the whole request."""
        return _request(Element("tunnel", {"action": self.action.value}))


def parse_request(message: bytes) -> Create | BareRequest:
    """Read what a client asks for in the command phase."""
    root = _tunnel(parse_document(unframed(message)))
    action = _read(Action, root.attributes.get("action", "").lower(), "action")
    return Create.from_element(root) if action is Action.CREATE else BareRequest(action)


@dataclass(frozen=True, slots=True)
class KeepaliveWish:
    """How a broker wants the tunnel watched."""

    interval: int
    """Seconds between echoes."""
    address: IPv6Address | None
    """Address to ping; None leaves the choice to the client."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tunnel, with everything needed to configure it. What was left out is None; nothing is checked but the syntax."""

    type: TunnelType
    server_ipv4: IPv4Address | None
    server_ipv6: IPv6Address | None
    client_ipv4: IPv4Address | None
    client_ipv6: IPv6Address | None
    lifetime: int | None = None
    """Minutes."""
    name: str = ""
    """The DNS name the broker registered for the client."""
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    """Resolvers for the client."""
    prefix: IPv6Network | None = None
    keepalive: KeepaliveWish | None = None

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read an `info` document."""
        root = _tunnel(parse_document(document))
        server, client = _require(root.first("server"), "server"), _require(root.first("client"), "client")
        router, keepalive, dns = client.first("router"), client.first("keepalive"), client.first("dns_server")
        return cls(
            _tunnel_type(root),
            _one(server, "ipv4", IPv4Address),
            _one(server, "ipv6", IPv6Address),
            _one(client, "ipv4", IPv4Address),
            _one(client, "ipv6", IPv6Address),
            _number(root, "lifetime"),
            _one(client, "dn", str) or "",
            _resolvers(dns),
            _prefix(router.first("prefix") if router else None),
            _keepalive(keepalive),
        )

    def serialize(self) -> bytes:
        """Return the document, addresses fully written out: gogoc cuts the text at a position (section 15)."""
        server = [_address("ipv4", self.server_ipv4), _address("ipv6", self.server_ipv6)]
        client = [_address("ipv4", self.client_ipv4), _address("ipv6", self.client_ipv6)]
        if self.name:
            client.append(Element("address", {"type": "dn"}, self.name))
        client.append(Element("dns_server", {}, "", tuple(_address(f"ipv{one.version}", one) for one in self.dns)))
        if self.prefix is not None:
            length, network = str(self.prefix.prefixlen), self.prefix.network_address.exploded
            client.append(Element("router", {}, "", (Element("prefix", {"length": length}, network),)))
        if self.keepalive is not None:
            target = _address("ipv6", self.keepalive.address or UNSPECIFIED)
            client.append(Element("keepalive", {"interval": str(self.keepalive.interval)}, "", (target,)))
        ends = (Element("server", {}, "", tuple(server)), Element("client", {}, "", tuple(client)))
        attributes = {"action": "info", "type": self.type.value, "lifetime": str(self.lifetime)}
        return Element("tunnel", attributes, "", ends).serialize().encode()


@dataclass(frozen=True, slots=True)
class Referral:
    """Other brokers to ask, in order: names or addresses."""

    brokers: tuple[str, ...]

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read either shape of a list (section 11): every address under every broker, as many as we would try."""
        root = _tunnel(parse_document(document))
        addresses = [one.text for broker in root.all("broker") for one in broker.all("address")]
        return cls(tuple(dict.fromkeys(text for text in addresses if text))[:REDIRECT_BROKERS_MAX])

    def serialize(self) -> bytes:
        addresses = tuple(Element("address", {"type": _kind(one)}, one) for one in self.brokers)
        broker = Element("broker", {}, "", addresses)
        return Element("tunnel", {"action": "list", "type": "broker"}, "", (broker,)).serialize().encode()


def _request(root: Element) -> bytes:
    return framed(root.serialize().encode() + CRLF)


def _tunnel(root: Element) -> Element:
    if root.name != "tunnel":
        raise WireError(f"expected an element `tunnel`, got {quoted(root.name)}")
    return root


def _require(element: Element | None, name: str) -> Element:
    if element is None:
        raise WireError(f"no element {name!r}")
    return element


def _read(read: Callable[[str], T], text: str, what: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise WireError(f"bad {what} {quoted(text)}") from error


def _tunnel_type(root: Element) -> TunnelType:
    return _read(TunnelType, root.attributes.get("type", "").lower(), "tunnel type")


def _number(element: Element | None, attribute: str) -> int | None:
    text = element.attributes.get(attribute) if element else None
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise WireError(f"bad {attribute} {quoted(text)}")
    return int(text)


def _one(parent: Element, kind: str, read: Callable[[str], T]) -> T | None:
    """Return the one address of a kind. Raises WireError for two that differ: nothing says which one is meant."""
    texts = {child.text for child in parent.all("address") if child.attributes.get("type", "").lower() == kind}
    if len(texts) > 1:
        raise WireError(f"{len(texts)} addresses of type {kind} in {parent.name!r}")
    return next((_read(read, text, f"{kind} address") for text in texts), None)


def _resolvers(element: Element | None) -> tuple[IPv4Address | IPv6Address, ...]:
    readers: dict[str, Callable[[str], IPv4Address | IPv6Address]] = {"ipv4": IPv4Address, "ipv6": IPv6Address}
    found = element.all("address") if element else ()
    return tuple(
        _read(readers[kind], one.text, "resolver") for one in found if (kind := one.attributes.get("type", "")) in readers
    )


def _prefix(element: Element | None) -> IPv6Network | None:
    if element is None or not element.text:
        return None
    length = _number(element, "length")
    address = element.text.partition("/")[0]
    return _read(IPv6Network, f"{address}/{'-' if length is None else length}", "prefix")


def _keepalive(element: Element | None) -> KeepaliveWish | None:
    interval = _number(element, "interval")
    if element is None or not interval:
        return None
    address = _one(element, "ipv6", IPv6Address)
    return KeepaliveWish(interval, address if address != UNSPECIFIED else None)


def _address(kind: str, address: IPv4Address | IPv6Address | None) -> Element:
    return Element("address", {"type": kind}, "" if address is None else address.exploded)


def _kind(host: str) -> str:
    """Return the `type` of an address or a name."""
    try:
        IPv4Address(host)
    except ValueError:
        return "ipv6" if ":" in host else "dn"
    return "ipv4"
