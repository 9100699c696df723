"""The methods of a profile: each bound to its transport, with settings its plugin has validated."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.secret import SecretReader
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.guess import closest
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.errors import faults_of
from tunnelmgr.core.profiles.mistakes import ProfileMistakes
from tunnelmgr.core.profiles.profile import METHOD_KEYS, Method
from tunnelmgr.core.profiles.secrets import ProfileSecrets
from tunnelmgr.core.profiles.unreachable import Written, unreachable
from tunnelmgr.core.profiles.when import When, WhenSettings
from tunnelmgr.core.profiles.yamlfile import MappingNode, Node, ScalarNode, SequenceNode, Span, plain

M = TypeVar("M", bound=BaseModel)


def validate(
    model: type[M], node: MappingNode, place: Span, mistakes: ProfileMistakes, secrets: SecretReader | None = None
) -> M | None:
    """Return the node as a model, or None and mistakes; `place` is for what concerns all of it."""
    try:
        return model.model_validate(plain(node), context=secrets)
    except ValidationError as error:
        mistakes.extend(faults_of(error, node, model, place))
        return None


class MethodReader:
    """Reads the methods of one profile."""

    def __init__(self, directory: Path, plugins: PluginRegistry, mistakes: ProfileMistakes) -> None:
        """Secrets in files are looked up in `directory`, the profile's."""
        self._plugins = plugins
        self._mistakes = mistakes
        self._read_secret = ProfileSecrets(directory, mistakes.inline_secrets).read
        self._written: list[Written] = []

    def methods(self, root: MappingNode) -> tuple[Method, ...]:
        """Return the methods without mistakes, in order."""
        one, several = root.get("method"), root.get("methods")
        nodes: list[Node] = [one[1]] if one else []
        if several and isinstance(several[1], SequenceNode):
            nodes += several[1].items
            if not nodes:
                self._mistakes.add(several[0].place, "'methods' is empty", "name at least one")
        if one and several:
            self._mistakes.add(several[0].place, "'methods' beside 'method'", "keep one of them")
        for item in (one, several):
            if item and isinstance(item[1], ScalarNode) and item[1].value is None:
                self._mistakes.add(item[0].place, f"{item[0].text!r} has no value", "write `{type: ...}` behind it")
        if not one and not several and not any(closest(key.text, ("method", "methods")) for key, _ in root.items):
            place = root.items[0][0].place if root.items else root.place
            self._mistakes.add(place, "the profile has no method", "add 'method: {type: ...}' or a list 'methods:'")
        # What is no mapping is found by the model of the whole file.
        methods = [self._method(node) for node in nodes if isinstance(node, MappingNode)]
        self._mistakes.warn(unreachable(self._written))
        return tuple(method for method in methods if method is not None)

    def _method(self, node: MappingNode) -> Method | None:
        when = self._when(node)
        kind = self._word(node, "type", f"one of: {', '.join(self._plugins.types()) or 'none is installed'}")
        if kind is None:
            return None
        transport = self._transport(kind)
        role = self._role(node, transport) if transport else None
        if transport is None or role is None:
            return None
        settings = MappingNode(kind.place, tuple(item for item in node.items if item[0].text not in METHOD_KEYS))
        bound = self._bound(transport, role, settings)
        place = kind.place if (item := node.get("when")) is None else item[0].place
        self._written.append(Written(place, kind.text, role, plain(settings), when))
        return Method(kind.text, role, bound, when, kind.place.line) if bound else None

    def _word(self, node: MappingNode, name: str, choices: str) -> ScalarNode | None:
        item = node.get(name)
        if item and isinstance(item[1], ScalarNode) and item[1].text:
            return item[1]
        place = item[0].place if item else node.items[0][0].place if node.items else node.place
        self._mistakes.add(place, f"{name!r} has no value" if item else f"missing key {name!r}", choices)
        return None

    def _transport(self, kind: ScalarNode) -> type[Transport] | None:
        try:
            return self._plugins.transport(kind.text)
        except TunnelError as error:
            if error.exit_code is ExitCode.INVALID:
                self._mistakes.add(kind.place, error.message, error.hint)
            else:
                self._mistakes.add_broken(error)
            return None

    def _role(self, node: MappingNode, transport: type[Transport]) -> str | None:
        roles = tuple(transport.roles)
        if node.get("role") is None:
            return roles[0]
        word = self._word(node, "role", f"one of: {', '.join(roles)}")
        if word is None or word.text in roles:
            return word.text if word else None
        hint = closest(word.text, roles) or f"its roles are: {', '.join(roles)}"
        self._mistakes.add(word.place, f"transport {transport.type_name!r} has no role {word.text!r}", hint)
        return None

    def _when(self, node: MappingNode) -> When | None:
        item = node.get("when")
        if item is None:
            return None
        key, value = item
        if not isinstance(value, MappingNode):
            self._mistakes.add(key.place, "'when' expects keys and values", "as in 'when: {nat: symmetric}'")
            return None
        written = validate(WhenSettings, value, key.place, self._mistakes)
        return written.resolve() if written else None

    def _bound(self, transport: type[Transport], role: str, node: MappingNode) -> Transport | None:
        """Return the transport with its settings. What a plugin raises beside its model's errors is its own fault."""
        try:
            settings: Settings | None = validate(transport.roles[role], node, node.place, self._mistakes, self._read_secret)
            return transport(role, settings) if settings is not None else None
        except TunnelError as error:
            self._mistakes.add(node.place, error.message, error.hint)
        except Exception as error:
            broken = TunnelError(
                f"transport {transport.type_name!r} crashed on its settings: {type(error).__name__}: {error}",
                hint="update or uninstall its plugin",
                exit_code=ExitCode.BUG,
            )
            broken.__cause__ = error
            self._mistakes.add_broken(broken)
        return None
