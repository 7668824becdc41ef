"""What is wrong with the text of a policy: where, what, and how to put it right."""

from collections.abc import Sequence

import msgspec

from prune.model.errors import UsageError


class Fault(msgspec.Struct, frozen=True, order=True):
    """``line`` counts from 1; ``key`` is where in the document, as ``keep[0].newest.n``, or empty for all of it;
    ``message`` is a sentence that says what is wrong and how to put it right."""

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.key}" if self.key else "")
        return f"{where}: {self.message}"


class PolicyError(UsageError):
    """A text that is no policy. ``faults`` are all that were found, by line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        super().__init__(f"The policy cannot be used: {self.faults[0]}{more}")
