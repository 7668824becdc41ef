"""One small family of errors. Every message is one sentence for a person: what happened and what to do."""


class PruneError(Exception):
    """Anything this engine refuses or fails to do. ``exit_code`` is the command's, as documented in its contract."""

    exit_code = 1


class UsageError(PruneError):
    """The request itself makes no sense: a malformed reference, an option that does not apply."""

    exit_code = 2


class SourceError(PruneError):
    """The registry cannot be reached or is no registry."""


class Unreadable(PruneError):
    """One file, answer or document could not be understood. Sources turn it into a problem of the scan."""


class Refused(PruneError):
    """Nothing was done, because doing it would not be safe or was not allowed."""

    exit_code = 4


class Stale(Refused):
    """The plan no longer describes the registry."""
