"""Debian's resolvconf and openresolv, laid over this machine's folders for the programs of one host alone.

Neither is installed: what they write lands in a folder of the test, and nobody else sees them.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.peers import debian
from tunnelmgr.lab.namespaces import Host

# /run is made anew, for namespaces and the helper's own folder alone; what is below /etc and /usr is laid over.
_MOUNTS = """\
for folder in usr/sbin usr/lib; do
    mount -t overlay overlay -o "lowerdir=$PEER/${folder#usr/}:/$folder" "/$folder"
done
mount -t overlay overlay -o "lowerdir=$PEER/etc:/etc,upperdir=$STATE/etc,workdir=$STATE/work" /etc
mount -t tmpfs tmpfs "$STATE/run"
mkdir "$STATE/run/netns" "$STATE/run/resolvconf"
mount --rbind /run/netns "$STATE/run/netns"
mount --bind "$STATE/resolvconf" "$STATE/run/resolvconf"
mount --rbind "$STATE/run" /run
mount --bind "/etc/netns/$HOST/hosts" /etc/hosts
exec nsenter --net="/run/netns/$HOST" "$@"
"""


class HostWithResolvconf(Host):
    """A host of the lab on which `package` is installed."""

    def __init__(self, host: Host, package: str, folder: Path) -> None:
        """Raises debian.Unavailable where it cannot be had, or laid over anything."""
        if "\toverlay\n" not in Path("/proc/filesystems").read_text():
            raise debian.Unavailable(
                "resolvconf is laid over this machine's folders, and this kernel has no overlay file system"
            )
        super().__init__(host.name, host.namespace, host.addresses)
        self._peer = debian.unpacked(package)
        self.state = folder / f"{host.name}.state"
        for name in ("etc", "work", "run", "resolvconf"):
            (self.state / name).mkdir(parents=True)
        if package == "resolvconf":  # as its maintainer script and its unit file would
            (self.state / "resolvconf" / "interface").mkdir()
            (self.state / "resolvconf" / "enable-updates").touch()
            (self.state / "etc" / "resolv.conf").symlink_to("/run/resolvconf/resolv.conf")

    def command(self, arguments: Sequence[str]) -> list[str]:
        # Not by `ip netns exec`, which lays the lab's own resolv.conf over the file the helper is to write.
        environment = [f"PEER={self._peer}", f"STATE={self.state}", f"HOST={self.namespace}"]
        return ["env", *environment, "unshare", "--mount", "sh", "-ec", _MOUNTS, "sh", *arguments]
