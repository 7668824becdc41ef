"""The problems of a scan, gathered as they are met, with what each means for deletion."""

from prune.model.snapshot import Problem

KEEPS_REPOSITORY = "nothing of this repository may be deleted, and no blob of the registry"
KEEPS_STORE = "nothing in this registry may be deleted"
KEEPS_NOTHING = "no effect on deletion"


class Findings:
    """Collects problems; ``blocked`` are the repositories of which nothing may go."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.blocked: set[str] = set()

    def note(self, where: str, what: str, effect: str = KEEPS_NOTHING, repository: str | None = None) -> None:
        """Remember an oddity that keeps nothing but itself."""
        self.problems.append(Problem(where, what, effect, "nothing", repository))

    def block_repository(self, repository: str, where: str, what: str) -> None:
        """Remember something unreadable that could hold anything in ``repository``."""
        self.problems.append(Problem(where, what, KEEPS_REPOSITORY, "repository", repository))
        self.blocked.add(repository)

    def block_store(self, where: str, what: str) -> None:
        """Remember something unreadable behind which there could be whole repositories."""
        self.problems.append(Problem(where, what, KEEPS_STORE, "store"))
