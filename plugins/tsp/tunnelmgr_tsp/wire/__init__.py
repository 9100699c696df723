"""What TSP puts on the wire (RFC 5572): framing, messages, login."""
