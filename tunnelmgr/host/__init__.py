"""Everything that changes this machine, behind one `Host` protocol, with a fake beside the real one."""
