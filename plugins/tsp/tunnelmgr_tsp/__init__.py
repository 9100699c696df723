"""TSP, the Tunnel Setup Protocol (RFC 5572): a broker gives hosts behind any NAT a tunnel and a prefix."""
