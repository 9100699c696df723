"""IPv6 in IPv4, protocol 41: configured tunnels (RFC 4213), 6to4 (RFC 3056) and 6rd (RFC 5969)."""
