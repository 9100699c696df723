"""Plugins, profiles, lifecycle and the driver. Knows no protocol."""
