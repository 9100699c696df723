"""Which method of a profile runs on this network, and when it gives way to another."""
