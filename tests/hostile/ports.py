"""Who listens where."""

REFUSED, HELD, PART, MUTANTS = 4000, 4200, 4300, 4400
"""Brokers whose offers nobody may take; that name what the host has; that are taken in part; that are damaged by chance."""
MUTANTS_NUMBER = 20
STUN = 3478
