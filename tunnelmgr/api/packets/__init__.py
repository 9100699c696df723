"""Codecs for the packets all transports share: IPv4, IPv6, UDP, ICMP, neighbour discovery.

Parsing raises WireError and nothing else; so does constructing a packet whose fields do not fit, and what has been
constructed can be serialized.
"""
