"""The TSP broker (RFC 5572)."""
