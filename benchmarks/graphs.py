"""Graphs on a large registry: the first time somebody looks, and after that."""

import importlib
import json
import statistics
import time
from typing import Any

ROUNDS = 12


def addresses() -> dict[str, str]:
    """Return what is opened; the names follow from what `benchmarks.database` makes."""
    from benchmarks import pages

    known = pages.addresses()
    picked = known["repository, graph"]
    name = picked.partition("/repositories/")[2].partition("/?")[0]
    return {
        "neighbourhood of an image": known["image, graph"],
        "neighbourhood of a base": known["image, graph of a base"],
        "a repository": picked,
        "the largest repository": known["largest repository"] + "?tab=graph",
        "one tag picked, before and after": f"{picked}&pick={name}:{_tag(name)}",
    }


def _tag(name: str) -> str:
    from registryui.models import TagSighting

    tags = TagSighting.objects.filter(repository__name=name, ended_at=None, tag__startswith="main-")
    return str(tags.order_by("tag").values_list("tag", flat=True)[0])


def measure(client: Any, rounds: int = ROUNDS) -> None:
    """Open every graph, each time as if for the first time, and then as it is remembered; print JSON lines."""
    from django.core.cache import cache

    from prune.drawing import layout

    for name, address in addresses().items():
        client.get(address)
        for what in ("first", "again"):
            times = []
            for _ in range(rounds):
                if what == "first":
                    cache.clear()
                    layout.forget()
                begun = time.perf_counter()
                answer = client.get(address)
                times.append((time.perf_counter() - begun) * 1000)
                if answer.status_code != 200 or b'<svg class="graph"' not in answer.content:
                    raise SystemExit(f"{address} shows no graph.")
            p95 = statistics.quantiles(times, n=20)[-1]
            print(json.dumps({"name": f"{name}, {what}", "p50": statistics.median(times), "p95": p95}), flush=True)


def main() -> None:
    """Measure on the database of the settings, which is filled when it is empty."""
    importlib.import_module("registryui.wsgi")  # as it is served

    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks import database
    from registryui.models import Registry

    call_command("migrate", verbosity=0)
    if not Registry.objects.exists():
        database.fill(database.Size())
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="admin"))
    measure(client)


if __name__ == "__main__":
    main()
