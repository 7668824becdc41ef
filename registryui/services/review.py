"""Helping a reviewer: the items of a plan with what spoke for keeping them, groups, what changed since, who may
approve."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Sum, When

from prune.model.plan import Plan
from prune.plan.review import Facts, signals
from registryui.models import Image, PlanItem, PlanRecord, Proposal, Registry, TagSighting
from registryui.permissions import APPROVE

BATCH = 1000
ASKED = 5000
#: From this weight on an item is an outlier.
OUTLIER = 3
#: Items named of what came and went between two plans.
MOST_CHANGES = 50
#: People named who may approve.
MOST_PEOPLE = 12


def write_items(record: PlanRecord, registry: Registry, plan: Plan) -> None:
    """Write down what a plan takes away, with what spoke for keeping each."""
    PlanItem.objects.bulk_create(_items(record, registry, plan), batch_size=BATCH)


class _Known:
    """What the last scan knows of everything that a plan is about."""

    def __init__(self, registry: Registry, plan: Plan) -> None:
        self.gone = {(item.repository, item.tag) for item in plan.delete.tags}
        digests = {item.digest for item in plan.delete.tags} | {item.digest for item in plan.delete.manifests}
        digests |= {image.id for image in plan.delete.images}
        self.images: dict[str, Any] = {}
        self.stays: dict[str, list[str]] = {}
        for part in _parts(sorted(digests)):
            rows = Image.objects.filter(registry=registry, digest__in=part)
            for row in rows.values_list("digest", "own", "dependents", "attached", named=True):
                self.images[row.digest] = row
            tags = TagSighting.objects.filter(repository__registry=registry, digest__in=part, ended_at=None)
            for digest, name, tag in tags.order_by("pk").values_list("digest", "repository__name", "tag"):
                if (name, tag) not in self.gone:
                    self.stays.setdefault(digest, []).append(f"{name}:{tag}")
        self.pushed: dict[tuple[str, str], Any] = {}
        self.newest: dict[str, Any] = {}
        self.left: dict[str, int] = {}
        for part in _parts(sorted({name for name, _ in self.gone})):
            tags = TagSighting.objects.filter(repository__registry=registry, repository__name__in=part, ended_at=None)
            for name, tag, digest, pushed in tags.values_list("repository__name", "tag", "digest", "pushed_at"):
                if (name, tag) in self.gone:
                    self.pushed[name, tag] = pushed
                else:
                    self.left[name] = self.left.get(name, 0) + 1
                if pushed is not None and (name not in self.newest or pushed >= self.newest[name][0]):
                    # Of images that came at the same moment, as by a copy of a whole store, none is the newest.
                    tie = name in self.newest and pushed == self.newest[name][0] and digest != self.newest[name][1]
                    self.newest[name] = (pushed, "" if tie else digest)
        owns = [row.own for digest, row in self.images.items() if row.own]
        self.usual = int(median(owns)) if owns else 0


def _items(record: PlanRecord, registry: Registry, plan: Plan) -> Iterator[PlanItem]:
    known = _Known(registry, plan)
    scanned = record.scan.finished_at or record.created_at
    asked = set(plan.request.delete)
    kind, cause = PlanItem.Kind, PlanItem.Cause

    def item(digest: str, repository: str, tag: str = "", **fields: Any) -> PlanItem:
        image = known.images.get(digest)
        pushed = known.pushed.get((repository, tag)) if tag else None
        said = signals(
            Facts(
                tag=tag,
                pushed=int(pushed.timestamp()) if pushed else None,
                scanned=int(scanned.timestamp()),
                newest=pushed is not None and known.newest.get(repository) == (pushed, digest),
                emptied=bool(tag) and repository not in known.left,
                dependents=image.dependents if image else 0,
                attached=tuple(image.attached.split(",")) if image else (),
                own=image.own if image else 0,
                usual=known.usual,
                elsewhere=tuple(known.stays.get(digest, ())),
            )
        )
        return PlanItem(
            plan=record,
            repository=repository[:255],
            name=tag[:255],
            digest=digest,
            own=image.own if image else 0,
            pushed_at=pushed,
            weight=sum(signal.weight for signal in said),
            signals=[signal.text for signal in said],
            **fields,
        )

    for tag in plan.delete.tags:
        named = asked & {f"{tag.repository}:{tag.tag}", tag.repository, f"{tag.repository}@{tag.digest}"}
        yield item(tag.digest, tag.repository, tag.tag, kind=kind.TAG, cause=cause.ASKED if named else cause.FOLLOWS)
    pointed = {(tag.repository, tag.digest) for tag in plan.delete.tags}
    for manifest in plan.delete.manifests:
        named = asked & {f"{manifest.repository}@{manifest.digest}", manifest.repository}
        held = (manifest.repository, manifest.digest) in pointed
        why = cause.ASKED if named else cause.FOLLOWS if held or asked else cause.SWEPT
        yield item(manifest.digest, manifest.repository, kind=kind.MANIFEST, cause=why)
    tagged = {tag.digest for tag in plan.delete.tags}
    for image in plan.delete.images:
        why = cause.FOLLOWS if image.id in tagged or asked else cause.SWEPT
        yield item(image.id, "", kind=kind.IMAGE, cause=why)
    for upload in plan.delete.uploads:
        why = cause.ASKED if upload.repository in asked else cause.SWEPT
        row = {"plan": record, "kind": kind.UPLOAD, "cause": why, "repository": upload.repository[:255]}
        yield PlanItem(**row, name=upload.id[:255], own=upload.size)
    for name in plan.delete.repositories:
        why = cause.ASKED if name in asked else cause.SWEPT
        yield PlanItem(plan=record, kind=kind.REPOSITORY, cause=why, repository=name[:255])


def _parts(items: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(items), ASKED):
        yield items[start : start + ASKED]


# ---- for the page -----------------------------------------------------------------------------------------


def groups(record: PlanRecord, most: int) -> list[dict[str, Any]]:
    """Return what goes by repository and cause, at most so many groups: those of one repository together, the
    repositories with outliers first."""

    def number(**where: Any) -> Sum:
        return Sum(Case(When(**where, then=1), default=0, output_field=IntegerField()))

    rows = PlanItem.objects.filter(plan=record).values("repository", "cause")
    counted = rows.annotate(
        tags=number(kind="tag"),
        manifests=number(kind__in=["manifest", "image"]),
        outliers=number(weight__gte=OUTLIER),
        items=Count("pk"),
        own=Sum("own"),
    )
    found: list[dict[str, Any]] = [dict(row) for row in counted]
    totals: dict[str, tuple[int, int]] = {}
    for row in found:
        outliers, items = totals.get(row["repository"], (0, 0))
        totals[row["repository"]] = (outliers - row["outliers"], items - row["items"])
    # Sorted before it is cut: half of what goes of a repository would look like all of it.
    found.sort(key=lambda row: (totals[row["repository"]], row["repository"], -row["items"], row["cause"]))
    return found[:most]


class Change(NamedTuple):
    """What came and what went since an earlier plan, and who had looked at that one."""

    earlier: PlanRecord
    came: list[PlanItem]
    came_count: int
    went: list[PlanItem]
    went_count: int
    bytes: int
    by: str


def since_review(proposal: Proposal, user: User) -> Change | None:
    """Return the difference to the plan that ``user`` decided on last, or else anybody, or else to the one before;
    ``None`` when there is only one."""
    if proposal.plan is None:
        return None
    earlier = proposal.plans.exclude(pk=proposal.plan.pk)
    decided = proposal.approvals.exclude(plan=proposal.plan).select_related("plan").order_by("-pk")
    verdict = decided.filter(user=user).first() or decided.first()
    before = verdict.plan if verdict else earlier.order_by("-pk").first()
    if before is None:
        return None
    came, went = _missing(proposal.plan, before), _missing(before, proposal.plan)
    return Change(
        earlier=before,
        came=list(came[:MOST_CHANGES]),
        came_count=came.count(),
        went=list(went[:MOST_CHANGES]),
        went_count=went.count(),
        bytes=proposal.plan.freed_bytes - before.freed_bytes,
        by=verdict.user_name if verdict else "",
    )


def _missing(plan: PlanRecord, other: PlanRecord) -> QuerySet[PlanItem]:
    """Return the items of ``plan`` that ``other`` has not."""
    same = PlanItem.objects.filter(
        plan=other,
        kind=OuterRef("kind"),
        repository=OuterRef("repository"),
        name=OuterRef("name"),
        digest=OuterRef("digest"),
    )
    return PlanItem.objects.filter(~Exists(same), plan=plan).order_by("-weight", "pk")


def may_approve(proposal: Proposal) -> list[str]:
    """Return the names of those who may decide on the plan as it is now, the first few."""
    excluded = {proposal.proposer_id, proposal.last_editor_id}
    if proposal.plan is not None:
        excluded.add(proposal.plan.created_by_id)
    label, _, codename = APPROVE.partition(".")
    allowed = Q(codename=codename, content_type__app_label=label)
    from django.contrib.auth.models import Permission

    permission = Permission.objects.filter(allowed)
    people = User.objects.filter(
        Q(groups__permissions__in=permission) | Q(user_permissions__in=permission) | Q(is_superuser=True),
        is_active=True,
    ).exclude(pk__in=excluded)
    names = people.distinct().order_by("username").values_list("username", flat=True)
    return list(names[: MOST_PEOPLE + 1])
