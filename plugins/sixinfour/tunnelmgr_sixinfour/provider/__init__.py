"""Tells a provider where this end of a configured tunnel is."""
