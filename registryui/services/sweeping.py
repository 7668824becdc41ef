"""What a sweep takes besides what nothing references: what a person may choose, and how a plan's request says it."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from prune.model.plan import Request
from registryui.services.errors import NotNow

DAY = 24 * 3600
#: Ten years: further back there is no registry.
MOST_DAYS = 3650


class Sweeping(NamedTuple):
    """``uploads_days``: uploads must have been left alone for so many days, ``None`` for as long as anything else.
    ``repositories``: those in which nothing is left go too."""

    uploads_days: int | None = None
    repositories: bool = False

    @property
    def uploads_older_than(self) -> int | UnsetType:
        """Return the age of uploads as a request has it, in seconds."""
        return UNSET if self.uploads_days is None else self.uploads_days * DAY

    @property
    def empty_repositories(self) -> bool | UnsetType:
        """Return what a request says of repositories."""
        return True if self.repositories else UNSET


def of(request: Request) -> Sweeping:
    """Return what was chosen for a plan."""
    older = request.uploads_older_than
    # A plan of the command may ask for hours: for whole days, never for less than was asked for.
    days = None if isinstance(older, UnsetType) else -(-older // DAY)
    return Sweeping(days, request.empty_repositories is True)


def chosen(data: Mapping[str, str]) -> Sweeping:
    """Return what a form says. Raises ``NotNow`` for a number of days that is none."""
    text = data.get("uploads_days", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_DAYS):
        raise NotNow("Give the age of uploads in whole days, from 1 to %(most)d.", most=MOST_DAYS)
    return Sweeping(int(text) if text else None, data.get("empty_repositories") == "on")
