"""The process around one profile: control socket, signals, readiness, logs."""
