"""Catalogs of translated messages, and how each language writes dates."""
