"""From what a person selects to the plan that it comes to on the newest scan."""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from prune.model.errors import PruneError
from prune.model.plan import Plan, Request
from prune.model.reference import Reference
from prune.plan.make import make_plan
from registryui.models import Registry
from registryui.services import scans, snapshots
from registryui.services.errors import NotNow
from registryui.services.snapshots import Basis
from registryui.services.sweeping import Sweeping

#: A proposal names no more than this; larger cleanups name whole repositories.
MOST_REFERENCES = 20_000
#: A sweep that takes what sweeps take.
PLAIN = Sweeping()


class Made(NamedTuple):
    """A plan, and the scan it rests on."""

    plan: Plan
    scan_id: int


def make(registry: Registry, refs: Collection[str], *, sweep: bool, besides: Sweeping = PLAIN) -> Made:
    """Return the plan for ``refs`` on the newest scan, made now. Raises ``NotNow`` when nothing of it can go, with
    the reasons."""
    return _checked(registry, refs, sweep, besides, lambda request: _planned(registry, request)[0])


def look(registry: Registry, refs: Collection[str], *, sweep: bool, besides: Sweeping = PLAIN) -> Made:
    """Return what `make` does, to be shown and never to be kept: it may be remembered from the last look at the same
    scan, which takes no time. What people decide on is made anew."""
    return _checked(registry, refs, sweep, besides, lambda request: _looked(registry, request))


def _checked(
    registry: Registry, refs: Collection[str], sweep: bool, besides: Sweeping, made: Callable[[Request], Made]
) -> Made:
    if not refs and not sweep:
        raise NotNow("Select at least one tag, image or repository.")
    if len(refs) > MOST_REFERENCES:
        raise NotNow(
            "A proposal may name %(most)d things at most; propose whole repositories instead.", most=MOST_REFERENCES
        )
    besides = besides if sweep else PLAIN
    request = Request(
        tuple(sorted(set(refs))),
        sweep,
        registry.grace_hours * 3600,
        uploads_older_than=besides.uploads_older_than,
        empty_repositories=besides.empty_repositories,
    )
    try:
        found = made(request)
    except PruneError as error:
        raise NotNow(str(error)) from None
    if found.plan.is_empty():
        refusals = "; ".join(f"{refusal.ref}: {refusal.reason}" for refusal in found.plan.refused[:5])
        if refusals:
            raise NotNow("Nothing of this can go. %(refusals)s", refusals=refusals)
        raise NotNow("There is nothing to delete.")
    return found


def _planned(registry: Registry, request: Request) -> tuple[Made, Basis]:
    """Plan on the repositories that are named, where the snapshot is kept in parts; a sweep is about all of it."""
    if not request.sweep:
        part = snapshots.some(registry, {Reference.parse(ref).repository for ref in request.delete})
        if part is not None:
            basis = part.basis
            plan = make_plan(part.snapshot, request, now=int(basis.taken_at.timestamp()), around=part.around)
            return Made(plan, basis.scan_id), basis
    found = scans.latest(registry)
    if found is None:
        raise NotNow("This registry was not scanned yet; scan it first.")
    snapshot, stored = found
    basis = snapshots.basis_of(stored)
    return Made(make_plan(snapshot, request, now=int(basis.taken_at.timestamp())), basis.scan_id), basis


class _Replaced(Exception):
    """A scan came to its end in between."""


def _looked(registry: Registry, request: Request) -> Made:
    basis = snapshots.basis(registry)
    if basis is not None:
        try:
            return _remembered(registry, basis, request)
        except _Replaced:
            pass
    return _planned(registry, request)[0]


@lru_cache(maxsize=8)
def _remembered(registry: Registry, basis: Basis, request: Request) -> Made:
    """Plan what nobody has looked at lately. All that the plan rests on is in the key."""
    made, rests_on = _planned(registry, request)
    if rests_on != basis:
        raise _Replaced
    return made
