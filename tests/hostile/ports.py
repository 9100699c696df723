"""Who listens where."""

from ipaddress import IPv4Address

HOSTILE, BEHIND_LIES, DAMAGED = (IPv4Address(f"192.0.2.{number}") for number in (33, 36, 39))
"""Hosts of the internet: one that lies, in its own way at each port; one with the truth behind lies, one behind damage."""
ROUTER = IPv4Address("192.168.1.1")
"""Home's own router, as it is seen from inside."""
ANYWHERE = IPv4Address(0)

REFUSED, HELD, PART, MUTANTS = 4000, 4200, 4300, 4400
"""Brokers whose offers nobody may take; that name what the host has; that are taken in part; that are damaged by chance."""
MUTANTS_NUMBER = 20
STREAMS = 4600
"""Brokers over TCP; the first tells the truth."""
STUN = 3478
TEREDO, TEREDO_RELAY = 3544, 3545
DHCP, DNS = 67, 53
PORT_CONTROL, SSDP = 5351, 1900
UPDATES = UPDATES_TRUE, UPDATES_PLAIN, UPDATES_MUTE, UPDATES_STRANGER = 443, 444, 445, 446
"""A provider's web server; one without TLS; one whose handshake does not end; one with somebody else's certificate."""
