"""Profiles: files read strictly, found valid or all their mistakes named."""
