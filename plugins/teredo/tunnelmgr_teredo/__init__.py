"""Teredo: IPv6 in UDP over IPv4, through NATs (RFC 4380, RFC 5991, RFC 6081)."""
