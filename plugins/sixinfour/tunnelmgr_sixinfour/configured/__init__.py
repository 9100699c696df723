"""Configured tunnels (RFC 4213): one far end, named by the user."""
