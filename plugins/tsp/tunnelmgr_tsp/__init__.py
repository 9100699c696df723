"""TSP, the Tunnel Setup Protocol (RFC 5572): a broker gives a tunnel and a prefix to whoever asks, behind any NAT."""
