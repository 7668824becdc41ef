"""Fills the database of a running dashboard with one of everything that a page can show.

Run as `python -m tests.browser.gallery` in the environment of the dashboard; its worker does what is asked for here.
It prints what the addresses of the pages need, as JSON.
"""

import json
import os
import time
from pathlib import Path

import django

LONG = "platform/very-long-namespace-name/with-several-levels/and-a-repository-that-nobody-wants-to-type-by-hand"
STRICT = "guards: {min_age: null, min_tags_left: null, max_scan_age: null, max_fraction: 0.01}\n"
LOOSE = STRICT.replace("max_fraction: 0.01", "max_fraction: null")
OLD = "# Versions nobody runs any more.\ndelete: [{id: old, tag: '1.[0-3]', repositories: ['shop/*']}]\n"
REASON = "Nobody uses these since the move to the new platform; the release branch was closed in spring."


def store(root: Path) -> str:
    """Long names, more tags than one page holds, one tag of 128 characters, and a repository that is damaged."""
    from tests.stores import V2Store, age

    made = V2Store(root)
    base = [made.layer(40_000), made.layer(9_000)]
    made.image("base/alpine", "3.22", layers=base[:1])
    for number in range(60):
        made.image(LONG, f"build-{number:03}", layers=[*base, made.layer(900 + number)])
    made.image(LONG, "x" * 128, "שלום".encode().hex(), layers=base)
    broken = made.image("team/broken", "1.0", layers=[*base, made.layer(700)])
    made.blob_path(broken).write_bytes(b"{")
    age(root)
    return made.source


def ended(model, pk: int):
    """Wait for the worker."""
    over = time.monotonic() + 300
    while time.monotonic() < over:
        row = model.objects.get(pk=pk)
        if not row.open:
            return row
        time.sleep(0.1)
    raise AssertionError(f"{model.__name__} {pk} did not end")


def fill() -> dict[str, object]:
    """Make it all, and return what the addresses need."""
    from django.contrib.auth.models import User

    from prune.sources.registry_v2.notifications import Event
    from registryui.models import Draft, InUsePlace, PolicyRun, Registry, Run, Scan, Scrub
    from registryui.services import (
        events,
        listening,
        policies,
        policy_runs,
        proposals,
        registries,
        runs,
        scans,
        scrubs,
        selection,
        standing,
    )

    who = {name: User.objects.get(username=name) for name in ("viewer", "proposer", "approver", "admin")}
    demo, seed = (Registry.objects.get(slug=slug) for slug in ("demo", "seed"))
    folder = Path(os.environ["REGISTRYUI_DATA_DIR"])
    large = registries.add(
        None, Registry(slug="large", title="A registry with long names", source=store(folder / "l"))
    )
    ended(Scan, scans.request(None, large).pk)
    away = Path(store(folder / "away").partition(":")[2])
    missing = registries.add(None, Registry(slug="missing", title="Away", source=f"storage:{away}"))
    ended(Scan, scans.request(None, missing).pk)
    away.rename(folder / "elsewhere")
    assert ended(Scan, scans.request(None, missing).pk).state == "failed"

    def propose(registry, *refs, sweep=False, title=""):
        return proposals.create(who["proposer"], registry, refs, title=title, reason=REASON, sweep=sweep)

    def approved(registry, *refs, sweep=False) -> Run:
        made = propose(registry, *refs, sweep=sweep)
        proposals.approve(who["approver"], made, made.plan.digest, "Looked at every one of them.")
        return ended(Run, made.runs.get().pk)

    undone = approved(seed, "library/seed-2:version1")
    ended(Run, runs.restore(who["approver"], undone).pk)
    held = approved(demo, "tools/report:0.1", sweep=True)
    ended(Scan, scans.request(None, demo).pk)
    waiting = propose(demo, "shop/web:1.0")
    proposals.reject(who["approver"], waiting, waiting.plan.digest, "Please take the other old ones as well.")
    waiting = propose(demo, "shop/web:1.0", "shop/web:1.1")
    refs = ["shop/web:1.0", "shop/web:1.1", "shop/web:latest", "shop/api:2.0", "base/python:3.13"]
    proposals.edit(who["proposer"], waiting, refs, title="Old web and API", reason=REASON, sweep=True)
    proposals.comment(who["approver"], waiting, "Is the API still pulled by the branch office?")
    proposals.comment(who["viewer"], waiting, "It is, until next month.", "shop/api:2.0")
    proposals.withdraw(who["proposer"], propose(seed, "library/seed-1:version1"))
    draft = Draft.objects.create(registry=demo, user=who["proposer"], state="failed", message="Nothing can go.")
    wide = propose(large, *[f"{LONG}:build-{number:03}" for number in range(58)], title=f"Builds of {LONG}")

    first = policies.create(who["proposer"], "Old versions", "demo seed", OLD + STRICT, "a first try")
    policy = policies.activate(who["proposer"], first)
    tripped = ended(PolicyRun, policy_runs.ask(who["proposer"], policy, demo).pk)
    assert tripped.state == "tripped", tripped.message
    cron = "schedule: {cron: '0 3 * * *', tz: UTC}\n"
    second = policies.write(who["proposer"], policy, OLD.replace("0-3", "0-2") + LOOSE + cron, "a closer look")
    standing.ask(who["approver"], second, demo, "Builds of old versions come back from source.")
    told, _ = listening.begin(who["admin"], demo)
    events.keep(told, [Event("one", "pull", "1", "shop/web", f"sha256:{'1' * 64}", "1.2", "docker/27.3")])
    selection.add(who["admin"], demo, ["shop/web:1.2", "shop/web:1.3"])
    scrubbed = [ended(Scrub, scrubs.request(who["approver"], one, "full").pk) for one in (demo, large)]
    assert [one.verdict for one in scrubbed] == ["good", "bad"]
    InUsePlace.objects.create(registry=demo, place="kubernetes:https://127.0.0.1:9")
    return {
        "long": LONG,
        "run": held.pk,
        "undo": undone.followers.get().pk,
        "proposal": waiting.pk,
        "plans": [waiting.pk, waiting.plans.order_by("pk").first().pk],
        "wide": wide.pk,
        "draft": draft.pk,
        "policy": policy.slug,
        "tripped": tripped.pk,
    } | images(demo)


def images(registry) -> dict[str, str]:
    """Return one image of each kind."""
    from registryui.models import Image

    found = Image.objects.filter(registry=registry, ended_at=None)
    return {
        "index": found.filter(kind="index").first().digest,
        "base": found.order_by("-dependents", "digest").first().digest,
        "leaf": found.filter(kind="image", dependents=0, purpose="").exclude(base="").first().digest,
        "sbom": found.exclude(purpose="").first().digest,
    }


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "registryui.settings"
    django.setup()
    print(json.dumps(fill()))
