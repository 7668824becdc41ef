"""Showing the image graph: as text, and as diagrams before and after a plan."""
