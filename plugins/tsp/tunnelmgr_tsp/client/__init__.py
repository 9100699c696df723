"""The TSP client (RFC 5572)."""
