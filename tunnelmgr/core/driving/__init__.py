"""Drives one Tunnel: sockets, effects, memory and the TUN device on an asyncio loop."""
