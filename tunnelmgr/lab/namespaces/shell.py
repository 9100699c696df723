"""Running what `wiring` and `nat_rules` say: one shell per step, which stops at the first word that fails."""

import subprocess

from tunnelmgr.api.errors import TunnelError


def run_script(script: str) -> None:
    """Run shell text. Raises TunnelError with the command that failed and what it said."""
    # -x traces every command to standard error, so the last lines there are the failing one and its complaint.
    done = subprocess.run(
        ["sh", "-exc", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        said = "; ".join(done.stderr.strip().splitlines()[-3:])
        raise TunnelError(f"building the lab failed: {said}", hint="it needs root, ip, nft and network namespaces")
