"""What the running kernel can load."""

import platform
from pathlib import Path


def lacks_module(name: str, root: Path = Path("/")) -> str:
    """Return why the kernel has no module `name`, in a few words; nothing when it is loaded, built in or there to be."""
    if (root / "sys/module" / name).exists():
        return ""
    installed = root / "lib/modules" / platform.release()
    for listing in ("modules.dep", "modules.builtin"):
        try:
            words = (installed / listing).read_text().replace(":", " ").split()
        except OSError:
            continue
        if any(Path(word).name.partition(".")[0] == name for word in words):
            return ""
    return f"this kernel has no module {name}"
