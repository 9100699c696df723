"""The Teredo relay (RFC 4380 section 5.4)."""
