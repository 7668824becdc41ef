"""Carrying a plan out: into the trash, back out of it, or out of the world. All through the `Store` seam."""
