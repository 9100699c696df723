"""The Teredo server (RFC 4380 section 5.3)."""
