"""What a person has selected in a registry, on whatever page."""

from collections.abc import Collection, Iterable
from itertools import islice

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from registryui.models import Registry, Selected
from registryui.services.errors import NotNow
from registryui.services.plans import MOST_REFERENCES

BATCH = 1000
LONGEST = 600


def rows(user: User, registry: Registry) -> QuerySet[Selected]:
    """Return what is selected, in order."""
    return Selected.objects.filter(user=user, registry=registry).order_by("ref")


def refs(user: User, registry: Registry) -> list[str]:
    """Return all of it as references."""
    return list(rows(user, registry).values_list("ref", flat=True))


def among(user: User, registry: Registry, shown: Collection[str]) -> set[str]:
    """Return which of ``shown`` are selected."""
    return set(rows(user, registry).filter(ref__in=shown).values_list("ref", flat=True))


def settle(user: User, registry: Registry, shown: Collection[str], ticked: Collection[str]) -> None:
    """Take over what a page shows: what is ticked on it is selected, what it shows and is not ticked no longer is."""
    with transaction.atomic():
        gone = set(shown) - set(ticked)
        if gone:
            rows(user, registry).filter(ref__in=gone).delete()
        add(user, registry, ticked)


def add(user: User, registry: Registry, chosen: Iterable[str]) -> None:
    """Select more. Raises ``NotNow`` when it becomes more than a proposal may name; nothing is added then."""
    with transaction.atomic():
        pending = iter(dict.fromkeys(ref for ref in chosen if ref and len(ref) <= LONGEST))
        while part := [Selected(user=user, registry=registry, ref=ref) for ref in islice(pending, BATCH)]:
            Selected.objects.bulk_create(part, ignore_conflicts=True)
            if rows(user, registry).count() > MOST_REFERENCES:
                raise NotNow(
                    "A proposal may name %(most)s things at most. Narrow the filter, or select whole repositories "
                    "instead.",
                    most=f"{MOST_REFERENCES:,}",
                )


def clear(user: User, registry: Registry) -> None:
    """Select nothing."""
    rows(user, registry).delete()
