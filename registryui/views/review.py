"""Every item of a proposal: grouped, sorted, searched, with what spoke for keeping it and what people said to it."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from registryui.models import Comment, PlanItem, Proposal
from registryui.permissions import VIEW, requires
from registryui.services import review as service
from registryui.views.table import Column, Table

#: Days after which a proposal that waits is called old.
OLD_DAYS = 7
MOST_GROUPS = 15
MOST_OUTLIERS = 10

COLUMNS = {
    "ref": Column("name", "What goes"),
    "repository": Column("repository", "Repository"),
    "weight": Column("weight", "What spoke for keeping it", number=True, words=True),
    "own": Column("own", "Only there", number=True),
    "pushed": Column("pushed_at", "Pushed", number=True),
}
FILTERS = {
    "outliers": Q(weight__gte=service.OUTLIER),
    "tags": Q(kind="tag"),
    "manifests": Q(kind__in=["manifest", "image"]),
    "asked": Q(cause="asked"),
    "follows": Q(cause="follows"),
    "swept": Q(cause="swept"),
}
CHOICES = {
    "outliers": _("what stands out"),
    "tags": _("tags"),
    "manifests": _("manifests and images"),
    "asked": _("asked for"),
    "follows": _("held by nothing else then"),
    "swept": _("referenced by nothing"),
}


def summary(proposal: Proposal, user: User) -> dict[str, Any]:
    """Return what the page of a proposal says of its items: the groups, what stands out, what changed, who may."""
    record = proposal.plan
    items = PlanItem.objects.filter(plan=record)
    if record is None:
        return {}
    groups = service.groups(record, MOST_GROUPS + 1)
    outliers = items.filter(weight__gte=service.OUTLIER).order_by("-weight", "pk")
    people = service.may_approve(proposal) if proposal.state == "proposed" else []
    return {
        "groups": groups[:MOST_GROUPS],
        "more_groups": len(groups) > MOST_GROUPS,
        "outliers": list(outliers[:MOST_OUTLIERS]),
        "outlier_count": outliers.count(),
        "change": service.since_review(proposal, user),
        "approvers": people[: service.MOST_PEOPLE],
        "more_approvers": len(people) > service.MOST_PEOPLE,
        "days": (timezone.now() - record.created_at).days,
        "old": proposal.state == "proposed" and (timezone.now() - record.created_at).days >= OLD_DAYS,
    }


@require_GET
@requires(VIEW)
def items(request: HttpRequest, pk: int) -> HttpResponse:
    """All items of the newest plan."""
    from registryui.views.proposals import of_number

    proposal = of_number(pk)
    rows = PlanItem.objects.filter(plan=proposal.plan)
    within = request.GET.get("in")
    if within is not None:
        rows = rows.filter(repository=within)
    table = Table(request, rows, COLUMNS, search=["name", "repository", "digest"], default="-weight", filters=FILTERS)
    said: dict[str, list[Comment]] = {}
    refs = {row.ref for row in table}
    for comment in proposal.comments.filter(item__in=refs).select_related("user"):
        said.setdefault(comment.item, []).append(comment)
    context = {
        "proposal": proposal,
        "registry": proposal.registry,
        "table": table,
        "filters": CHOICES,
        "within": within,
        "said": said,
        "open": proposal.state in Proposal.OPEN,
    }
    return render(request, "items.html", context)
