"""`tunnelmgr`, with limits that no benchmark reaches: what is measured is the program and not they.

python -m benchmarks.unlimited up -f bench.yaml
"""

from tunnelmgr.cli.main import main
from tunnelmgr_teredo import constants

_PAIRS = (
    "SOLICITATIONS_PER_ADDRESS",
    "SOLICITATIONS_PER_NETWORK",
    "SOLICITATIONS_IN_ALL",
    "RELAY_NEWCOMERS_PER_NETWORK",
    "RELAY_NEWCOMERS_IN_ALL",
    "RELAY_SERVER_BUDGET",
)
"""Each a burst, and then how many a second."""

if __name__ == "__main__":
    # Before the modules that take these names from there are imported, which is when a Tunnel is made.
    for name in _PAIRS:
        setattr(constants, name, (1e9, 1e9))
    constants.RELAY_NETWORK_SHARE = 1.0
    main()
