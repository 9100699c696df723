"""An internet in memory, on a clock that jumps: the pump and the forwarding table that ship, everything else simulated.

A test says where hosts are and lets time pass; `Internet.ladder` tells what was sent. Hours take milliseconds.
"""

from tunnelmgr.lab.simulated.echo import SentPing
from tunnelmgr.lab.simulated.host import SimulatedHost
from tunnelmgr.lab.simulated.internet import Internet
from tunnelmgr.lab.simulated.ipv6 import Ipv6Host, Received
from tunnelmgr.lab.simulated.site import Site

__all__ = ["Internet", "Ipv6Host", "Received", "SentPing", "SimulatedHost", "Site"]
