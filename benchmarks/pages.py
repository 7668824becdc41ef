"""Every page of the dashboard on a large registry: time on the server, queries, and bytes that go over the wire."""

import importlib
import json
import statistics
import sys
import time
from typing import Any

ROUNDS = 20


def addresses(slug: str = "main") -> dict[str, str]:
    """Return what to open, by what it is; the names follow from what `benchmarks.database` makes."""
    from django.urls import reverse

    from registryui.models import Draft, Image, Policy, Proposal, Repository, Run

    repositories = Repository.objects.filter(registry__slug=slug)
    largest = repositories.order_by("-tags").first()
    service = repositories.filter(name__contains="service-").order_by("name").first()
    images = Image.objects.filter(registry__slug=slug, ended_at=None)
    base = images.order_by("-dependents", "digest").first()
    index = images.filter(kind="index").order_by("digest").first()
    leaf = images.filter(kind="image", dependents=0, purpose="").exclude(base="").order_by("digest").first()
    waiting = Proposal.objects.filter(registry__slug=slug, state="proposed").first()
    run = Run.objects.filter(registry__slug=slug).first()
    draft = Draft.objects.filter(registry__slug=slug).first()
    policy = Policy.objects.filter(registries=slug).order_by("pk").first()
    if None in (largest, service, base, index, leaf, waiting, run, draft, policy):
        raise SystemExit("The database does not hold what the pages need.")
    registry = reverse("registry", args=[slug])
    big = reverse("repository", args=[slug, largest.name])  # type: ignore[union-attr]  # checked above
    return {
        "registries": reverse("registries"),
        "registry": registry,
        "registry, sorted, page 20": f"{registry}?sort=-exclusive&page=20",
        "registry, searched": f"{registry}?q=service-0",
        "registry, a namespace": f"{registry}?in=team04",
        "repository": reverse("repository", args=[slug, service.name]),  # type: ignore[union-attr]
        "repository, graph": reverse("repository", args=[slug, service.name]) + "?tab=graph",  # type: ignore[union-attr]
        "repository, graph with a tag picked": (
            f"{reverse('repository', args=[slug, service.name])}?tab=graph&pick={service.name}:{_tag(service)}"  # type: ignore[union-attr]
        ),
        "largest repository": big,
        "largest, graph": f"{big}?tab=graph",
        "largest, sorted by size, page 200": f"{big}?sort=-size&page=200",
        "largest, only here": f"{big}?sort=own",
        "largest, searched": f"{big}?q=main-00&sort=tag",
        "largest, signed": f"{big}?only=signed",
        "largest, untagged": f"{big}?tab=untagged",
        "largest, history": f"{big}?tab=history",
        "proposing a tag": f"{reverse('propose', args=[slug])}?ref={service.name}:{_tag(service)}",  # type: ignore[union-attr]
        "proposing a repository": f"{reverse('propose', args=[slug])}?ref={service.name}",  # type: ignore[union-attr]
        "proposing a tag of the largest": f"{reverse('propose', args=[slug])}?ref={largest.name}:{_tag(largest)}",  # type: ignore[union-attr]
        "image, a base": reverse("image", args=[slug, base.digest]),  # type: ignore[union-attr]
        "who builds on whom, graph": reverse("registry-graph", args=[slug]),
        "image, graph": reverse("image-graph", args=[slug, leaf.digest]),  # type: ignore[union-attr]
        "image, graph of a base": reverse("image-graph", args=[slug, base.digest]),  # type: ignore[union-attr]
        "image, graph of an index": reverse("image-graph", args=[slug, index.digest]),  # type: ignore[union-attr]
        "image, an index": reverse("image", args=[slug, index.digest]),  # type: ignore[union-attr]
        "image": reverse("image", args=[slug, leaf.digest]),  # type: ignore[union-attr]
        "proposals": reverse("proposals"),
        "proposals, open": reverse("proposals") + "?state=open",
        "proposal of 500": reverse("proposal", args=[waiting.pk]),  # type: ignore[union-attr]
        "items of 500": reverse("proposal-items", args=[waiting.pk]),  # type: ignore[union-attr]
        "run": reverse("run", args=[run.pk]),  # type: ignore[union-attr]
        "search, a tag": reverse("search") + "?q=main-0000",
        "search, a digest": reverse("search") + f"?q={leaf.digest[7:14]}",  # type: ignore[union-attr]
        "search, a label": reverse("search") + "?q=maintainer=team3",
        "search, a base": reverse("search") + "?q=base/",
        "search, everything": reverse("search") + "?q=e",
        "search, nothing": reverse("search") + "?q=zzzzzz",
        "space": reverse("space", args=[slug]),
        "space of all": reverse("space-all"),
        "events": reverse("registry-events", args=[slug]),
        "draft": reverse("draft", args=[slug, draft.pk]),  # type: ignore[union-attr]
        "scrub": reverse("scrub", args=[slug]),
        "policies": reverse("policies"),
        "policy": reverse("policy", args=[policy.slug]),  # type: ignore[union-attr]
        "trash": reverse("trash"),
        "history": reverse("history"),
        "deletions": reverse("history-deletions"),
        "deletions of a tag": reverse("history-deletions") + "?q=team/none:1",
        "tags over time": reverse("history-tags"),
        "plan as it was": reverse("proposal-then", args=[waiting.pk, waiting.plan_id]),  # type: ignore[union-attr]
        "history, filtered": reverse("history") + "?actor_name=proposer&registry=main&q=reason+7",
    }


def _tag(repository: Any) -> str:
    from registryui.models import TagSighting

    rows = TagSighting.objects.filter(repository=repository, ended_at=None).order_by("tag")
    return str(rows.values_list("tag", flat=True)[0])


class Figure:
    """What one page took: 95th percentile in milliseconds by the clock and of the processor (the database works in
    the same process; the two differ by what else the machine does), queries, bytes as they are sent."""

    def __init__(self, name: str, milliseconds: float, worked: float, queries: int, sent: int) -> None:
        self.name = name
        self.milliseconds = milliseconds
        self.worked = worked
        self.queries = queries
        self.sent = sent


def opened(client: Any, address: str) -> tuple[int, int]:
    """Open a page; return the number of queries and the bytes sent."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address, headers={"accept-encoding": "gzip"})
    if answer.status_code != 200:
        raise SystemExit(f"{address} was answered with {answer.status_code}.")
    return len(queries), len(answer.content)


def measure(client: Any, rounds: int = ROUNDS) -> list[Figure]:
    """Open every page, once to warm up and ``rounds`` times for the figures."""
    figures = []
    for name, address in addresses().items():
        queries, sent = opened(client, address)
        times, worked = [], []
        for _ in range(rounds):
            begun, processor = time.perf_counter(), time.process_time()
            client.get(address, headers={"accept-encoding": "gzip"})
            times.append((time.perf_counter() - begun) * 1000)
            worked.append((time.process_time() - processor) * 1000)
        figures.append(
            Figure(name, statistics.quantiles(times, n=20)[-1], statistics.quantiles(worked, n=20)[-1], queries, sent)
        )
    return figures


def main() -> None:
    """Fill the database of the settings, unless it is filled, and print the figures as JSON lines."""
    importlib.import_module("registryui.wsgi")  # as it is served

    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks import database, paint
    from registryui.models import Registry

    call_command("migrate", verbosity=0)
    if not Registry.objects.exists():
        begun = time.perf_counter()
        database.fill(database.Size(*map(int, sys.argv[1:])))
        print(json.dumps({"filled": time.perf_counter() - begun}), flush=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="admin"))
    for figure in measure(client):
        print(json.dumps(vars(figure)), flush=True)
    for painted in paint.paints(addresses(), client.session.session_key or ""):
        print(json.dumps({"painted": vars(painted)}), flush=True)


if __name__ == "__main__":
    main()
