"""The Teredo client (RFC 4380 section 5.2)."""
