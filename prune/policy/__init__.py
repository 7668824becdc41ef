"""Retention policies: a text in, decisions with reasons out. No I/O, no clock."""
