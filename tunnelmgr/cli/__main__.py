"""`python -m tunnelmgr.cli` is `tunnelmgr`."""

from tunnelmgr.cli.main import main

main()
