"""What a profile asks for and none of its methods can give. Pure."""

from collections.abc import Iterator, Sequence

from tunnelmgr.core.profiles.profile import LanShare, Method, ProfileFile
from tunnelmgr.core.profiles.yamlfile import Fault, MappingNode, Span


def unfit(file: ProfileFile, methods: Sequence[Method], root: MappingNode) -> Iterator[Fault]:
    """Yield what could never work, whichever of the methods carries, at its key in `root`."""
    most = max(method.transport.mtu_max() for method in methods)
    if file.network.mtu != "auto" and file.network.mtu > most:
        message = f"'mtu' is {file.network.mtu}, and the packets of {_named(methods)} have {most} bytes at most"
        yield Fault(_place(root, "network", "mtu"), message, f"write {most}, or leave it to `auto`")
    prefix_needed = file.lan.interfaces and file.lan.share is LanShare.PREFIX
    if prefix_needed and not any(method.transport.may_delegate() for method in methods):
        message = f"'lan' gets no prefix: {_named(methods)} cannot bring one"
        hint = "write `share: nat66` there, and its hosts share the tunnel's address"
        yield Fault(_place(root, "lan", "interfaces"), message, hint)


def _named(methods: Sequence[Method]) -> str:
    return " or ".join(dict.fromkeys(f"{method.type} {method.role}" for method in methods))


def _place(root: MappingNode, *path: str) -> Span:
    """Return where the last key of a path stands that is written there."""
    node, place = root, root.place
    for name in path:
        item = node.get(name)
        if item is None:
            break
        place = item[0].place
        if isinstance(item[1], MappingNode):
            node = item[1]
    return place
