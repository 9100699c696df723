"""What the XML of TSP says: requests of the client, offers and referrals of the broker (docs/protocols/tsp.md section 7)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Self, TypeVar
from xml.etree.ElementTree import Element

from tunnelmgr.api.addresses import plain_ipv6, plain_network6
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.names import literal_address
from tunnelmgr_tsp.constants import REDIRECT_BROKERS_MAX
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.documents import element, parse_document, write_document
from tunnelmgr_tsp.wire.framing import CRLF, framed, quoted, unframed

T = TypeVar("T")
UNSPECIFIED = IPv6Address(0)


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
        client = _require(root, "client")
        addresses = [one.text or "" for one in client.findall("address") if one.get("type", "ipv4") == "ipv4"]
        return cls(
            _tunnel_type(root),
            _read(IPv4Address, addresses[0] if addresses else "", "IPv4 address"),
            _number(client.find("keepalive"), "interval"),
            _number(client.find("router/prefix"), "length"),
            tuple(one.text or "" for one in client.findall("router/dns_server/address")),
            root.get("proxy") == "yes",
        )

    def serialize(self) -> bytes:
        """Return the whole request."""
        client = element("client", _address("ipv4", self.address))
        if self.keepalive is not None:
            anyone = element("address", text="::", type="ipv6")
            client.append(element("keepalive", anyone, interval=str(self.keepalive)))
        if self.prefix_length is not None:
            router = element("router", element("prefix", length=str(self.prefix_length)))
            if self.name_servers:
                router.append(element("dns_server", *map(_host, self.name_servers)))
            client.append(router)
        return _request(element("tunnel", client, action="create", type=self.type.value, proxy="no"))


@dataclass(frozen=True, slots=True)
class BareRequest:
    """A request that needs no words: accept, reject, info, delete."""

    action: Action

    def serialize(self) -> bytes:
        """Return the whole request."""
        return _request(element("tunnel", action=self.action.value))


def parse_request(message: bytes) -> Create | BareRequest:
    """Read what a client asks for in the command phase."""
    root = _tunnel(parse_document(unframed(message)))
    action = _read(Action, root.get("action", "").lower(), "action")
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
        server, client = _require(root, "server"), _require(root, "client")
        return cls(
            _tunnel_type(root),
            _one(server, "ipv4", IPv4Address),
            _one(server, "ipv6", plain_ipv6),
            _one(client, "ipv4", IPv4Address),
            _one(client, "ipv6", plain_ipv6),
            _number(root, "lifetime"),
            _one(client, "dn", str) or "",
            _resolvers(client),
            _prefix(client.find("router/prefix")),
            _keepalive(client.find("keepalive")),
        )

    def serialize(self) -> bytes:
        """Return the document, addresses fully written out: gogoc cuts the text at a position (section 15)."""
        server = element("server", _address("ipv4", self.server_ipv4), _address("ipv6", self.server_ipv6))
        client = element("client", _address("ipv4", self.client_ipv4), _address("ipv6", self.client_ipv6))
        if self.name:
            client.append(element("address", text=self.name, type="dn"))
        client.append(element("dns_server", *(_address(f"ipv{one.version}", one) for one in self.dns)))
        if self.prefix is not None:
            network, length = self.prefix.network_address.exploded, str(self.prefix.prefixlen)
            client.append(element("router", element("prefix", text=network, length=length)))
        if self.keepalive is not None:
            target = _address("ipv6", self.keepalive.address or UNSPECIFIED)
            client.append(element("keepalive", target, interval=str(self.keepalive.interval)))
        lifetime = str(self.lifetime)
        root = element("tunnel", server, client, action="info", type=self.type.value, lifetime=lifetime)
        return write_document(root)


@dataclass(frozen=True, slots=True)
class Referral:
    """Other brokers to ask, in order: names or addresses."""

    brokers: tuple[str, ...]

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read either shape of a list (section 11): every address under every broker, as many as we would try."""
        root = _tunnel(parse_document(document))
        addresses = [one.text for one in root.findall("broker/address")]
        return cls(tuple(dict.fromkeys(text for text in addresses if text))[:REDIRECT_BROKERS_MAX])

    def serialize(self) -> bytes:
        broker = element("broker", *map(_host, self.brokers))
        return write_document(element("tunnel", broker, action="list", type="broker"))


def _request(root: Element) -> bytes:
    return framed(write_document(root) + CRLF)


def _tunnel(root: Element) -> Element:
    if root.tag != "tunnel":
        raise WireError(f"expected an element `tunnel`, got {quoted(root.tag)}")
    return root


def _require(root: Element, name: str) -> Element:
    found = root.find(name)
    if found is None:
        raise WireError(f"no element {name!r}")
    return found


def _read(read: Callable[[str], T], text: str, what: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise WireError(f"bad {what} {quoted(text)}") from error


def _tunnel_type(root: Element) -> TunnelType:
    return _read(TunnelType, root.get("type", "").lower(), "tunnel type")


def _number(parent: Element | None, attribute: str) -> int | None:
    text = parent.get(attribute) if parent is not None else None
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise WireError(f"bad {attribute} {quoted(text)}")
    return int(text)


def _one(parent: Element, kind: str, read: Callable[[str], T]) -> T | None:
    """Return the one address of a kind. Raises WireError for two that differ: nothing says which one is meant."""
    texts = {one.text or "" for one in parent.findall("address") if one.get("type", "").lower() == kind}
    if len(texts) > 1:
        raise WireError(f"{len(texts)} addresses of type {kind} in {parent.tag!r}")
    return next((_read(read, text, f"{kind} address") for text in texts), None)


def _resolvers(client: Element) -> tuple[IPv4Address | IPv6Address, ...]:
    readers: dict[str, Callable[[str], IPv4Address | IPv6Address]] = {"ipv4": IPv4Address, "ipv6": plain_ipv6}
    found = [(one.get("type", ""), one.text or "") for one in client.findall("dns_server/address")]
    return tuple(_read(readers[kind], text, "resolver") for kind, text in found if kind in readers)


def _prefix(prefix: Element | None) -> IPv6Network | None:
    if prefix is None or not prefix.text:
        return None
    length = _number(prefix, "length")
    address = prefix.text.partition("/")[0]
    return _read(plain_network6, f"{address}/{'-' if length is None else length}", "prefix")


def _keepalive(keepalive: Element | None) -> KeepaliveWish | None:
    interval = _number(keepalive, "interval")
    if keepalive is None or not interval:
        return None
    address = _one(keepalive, "ipv6", plain_ipv6)
    return KeepaliveWish(interval, address if address != UNSPECIFIED else None)


def _address(kind: str, address: IPv4Address | IPv6Address | None) -> Element:
    return element("address", text="" if address is None else address.exploded, type=kind)


def _host(host: str) -> Element:
    """Return a name or an address, with the type it is written under."""
    kind = "ipv4" if literal_address(host) else "ipv6" if ":" in host else "dn"
    return element("address", text=host, type=kind)
