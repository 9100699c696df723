"""Removing a lab by its name alone, whoever made it and however that one ended.

Devices, rules and flows vanish with the namespaces. What has to be done by hand: the programs, which would keep the
namespaces alive unseen, and the name files.
"""

from tunnelmgr.lab.namespaces import naming
from tunnelmgr.lab.namespaces.programs import kill_programs
from tunnelmgr.lab.namespaces.shell import run_script


def destroy(lab: str) -> None:
    """Remove all that there is of `lab`, which may be nothing. Raises TunnelError when a program does not die."""
    namespaces = naming.namespaces_of(lab)
    files = [naming.NAMESPACES / name for name in namespaces]
    kill_programs(namespaces)
    # Somebody else may be removing it at the same time: what is gone is gone.
    run_script("".join(f"test ! -e {file} || ip netns del {file.name} || test ! -e {file}\n" for file in files))
    for name in namespaces:
        naming.remove_files(name)
