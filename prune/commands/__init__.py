"""One module for each command of `prune`. Each has ``arguments(parser)`` and ``run(options) -> exit code``."""
