"""Captured packets: files of the formats pcap and pcapng read and written, and what their link layers wrap.

Only what is needed to look at tunnels. Nothing here knows a tunnel.
"""
