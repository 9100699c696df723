"""Runs a profile: one method at a time, its device, its LAN, and the proof that packets flow."""
