"""IPv6 over an IPv4-only network: the tunnel manager."""
