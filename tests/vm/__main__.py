"""Run the tests of this folder in the machine: `python -m tests.vm [words for pytest]`."""

import sys

from tests.peers import radvd
from tests.vm.machine import HERE, run_in_machine

TIMEOUT = 3600.0  # seconds, for machines without KVM

if __name__ == "__main__":
    radvd.environment()  # into the cache: inside there is no network
    sys.exit(run_in_machine([sys.executable, "-m", "pytest", "--timeout=900", str(HERE), *sys.argv[1:]], TIMEOUT))
