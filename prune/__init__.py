"""The engine: reads registries, builds the image graph, plans deletions and carries them out.

It knows nothing of the web. The command `prune` and the dashboard go through the same functions.
"""

__version__ = "0.1.0"
