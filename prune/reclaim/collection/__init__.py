"""The registry's own garbage collection: tried first, compared with the plan, and only then run."""
