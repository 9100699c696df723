"""Whether the kernel has a module, on a machine made of files."""

import platform
from pathlib import Path

import pytest

from tunnelmgr.host.linux.surroundings import lacks_module


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sys/module/sit/version", ""),
        (f"lib/modules/{platform.release()}/modules.dep", "kernel/net/ipv6/sit.ko.xz: kernel/net/ipv4/tunnel4.ko.xz\n"),
        (f"lib/modules/{platform.release()}/modules.builtin", "kernel/net/ipv6/sit.ko\n"),
    ],
)
def test_a_module_is_loaded_loadable_or_built_in(tmp_path: Path, file: str, content: str) -> None:
    assert lacks_module("sit", tmp_path) == "this kernel has no module sit"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(content)
    assert lacks_module("sit", tmp_path) == ""
    assert lacks_module("si", tmp_path) == "this kernel has no module si"
