"""Explains Teredo datagrams to people."""
