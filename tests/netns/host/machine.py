"""A namespace as a machine: its words on the command line."""

import subprocess


def sh(command: str) -> str:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def add_link(name: str) -> None:
    """Add an interface that is up; its other end leads nowhere."""
    sh(f"ip link add {name} type veth peer name {name}-far")
    sh(f"ip link set {name} up")
    sh(f"ip link set {name}-far up")
