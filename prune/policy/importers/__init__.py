"""Policies of other registries and tools, translated. Where meaning differs a comment says so."""
