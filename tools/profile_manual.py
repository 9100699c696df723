"""Writes docs/profile.md: the manual that `tunnelmgr explain` prints, as one page."""

from pathlib import Path
from textwrap import fill

from tunnelmgr.core.plugins import LOAD_VARIABLE, PluginRegistry
from tunnelmgr.core.profiles.manual import PROFILE, Key, Section, manual
from tunnelmgr.core.profiles.profile import ProfileFile

PAGE = Path(__file__).resolve().parent.parent / "docs" / "profile.md"
OURS = {LOAD_VARIABLE: "sixinfour,teredo,tsp"}
"""The page is of what is shipped, whatever else is installed here."""

_WIDTH = 120  # characters of a line
_KEPT = "\0"  # a space at which no line is broken

_HEAD = """\
# The profile

`make manual` writes this page from the settings models, in the words of `tunnelmgr explain KEY`. To change it, change a
model.

A profile is a YAML file that describes one tunnel. Three lines make one, since every other key has a default:

```yaml
method:
  type: teredo
  server: teredo.example.net
```

Several methods are tried in their order; the first that suits this network and carries packets wins:

```yaml
methods:
  - type: 6in4                      # suits a host with a public IPv4 address
    remote: 192.0.2.80
    address: 2001:db8:41::2/64
  - type: tsp
    when: {nat: symmetric}          # a condition of yours replaces the method's own judgement
    broker: broker.example.net
  - type: teredo                    # suits any network that lets UDP pass
    server: [teredo.example.net, 198.51.100.7]
network: {probe: ["2001:db8:6::1"]}
lan: {interfaces: [br-lan], share: nat66}
```

`tunnelmgr check FILE` names every mistake with its line. Profiles to copy from are in [configs/](../configs/).

YAML is read strictly: `true`, `false`, `null` and decimal numbers mean what they say, and everything else is text. A secret
is best kept in a file beside the profile that only its owner may read (mode 0600): `{file: NAME}`. `{credential: NAME}` is
one that systemd hands over, `{env: NAME}` an environment variable. Text in the profile itself is accepted with a warning.

Below, italics tell what may be written, the default, and the version that brought the key.
"""
_METHODS = """\
## Methods

Each role of each transport has keys of its own. They stand under `method:`, or in an item of `methods:`, beside `type`,
`role` and `when`.
"""


def page() -> str:
    """Return the page as it should be."""
    sections = manual(PluginRegistry.from_environment(OURS))
    ours = {PROFILE, *ProfileFile.model_fields}
    of_file = [section for section in sections if section.path.partition(".")[0] in ours]
    of_methods = [section for section in sections if section not in of_file]
    parts = [_HEAD, "## Sections of the file\n", *map(_section, of_file), _METHODS, *map(_section, of_methods)]
    return "\n".join(parts)


def _section(section: Section) -> str:
    text = [fill(paragraph, _WIDTH) + "\n" for paragraph in section.description.split("\n\n")]
    keys = [_key(key, key.path.removeprefix(f"{section.path}.")) for key in section.keys]
    example = ["", "```yaml", section.example, "```"] if section.example else []
    return "\n".join([f"### {section.path}\n", *text, *keys, *example, ""])


def _key(key: Key, name: str) -> str:
    example = f" Example: `{key.example.replace(' ', _KEPT)}`" if key.example else ""
    before = "  " * name.count(".")
    text = fill(
        f"- **`{name}`**: {key.description} *({key.facts})*{example}",
        _WIDTH,
        initial_indent=before,
        subsequent_indent=f"{before}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return text.replace(_KEPT, " ")


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE} is written")
