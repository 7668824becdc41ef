"""``python -m benchmarks``: every figure is a ratio against a peer in the same run, or against its limit."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from benchmarks.registry import over_http
from benchmarks.store import generate
from benchmarks.sweep import sweeps

ROOT = Path(__file__).resolve().parents[1]
PRUNE = [sys.executable, "-I", "-S", "-c", (
    f"import sys; sys.path[:0] = [{str(ROOT)!r}, {next(p for p in sys.path if p.endswith('site-packages'))!r}]\n"
    "from prune.cli import command; command()"
)]  # fmt: skip


def timed(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, int]:
    """Run a command to its end; return seconds and peak memory in MiB."""
    before = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} … ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - before, usage.ru_maxrss // 1024


def alternated(rounds: int, **commands: list[str]) -> dict[str, tuple[float, int]]:
    """Run commands in turn, so that each meets the same machine; return median seconds and peak memory."""
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
    for command in commands.values():
        timed(command)  # warm
    for _ in range(rounds):
        for name, command in commands.items():
            seen[name].append(timed(command))
    return {
        name: (statistics.median(t for t, _ in runs), max(memory for _, memory in runs))
        for name, runs in seen.items()
    }


def show(what: str, figure: str, wanted: str) -> None:
    """Print one line."""
    print(f"{what:58} {figure:>16}   wanted {wanted}", flush=True)


def scans(folder: Path, rounds: int) -> None:
    """Scan and rescan against the registry's own dry run on the same warm store."""
    store = folder / "store"
    generate(store)
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {store}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n"
    )
    source, cache = f"storage:{store}", str(folder / "cache")
    time.sleep(0.1)  # changes in the same tick as the scan are not trusted by the cache
    timed([*PRUNE, "scan", source, "--cache", cache, "--json"])
    figures = alternated(
        rounds,
        peer=["docker-registry", "garbage-collect", "--dry-run", str(config)],
        scan=[*PRUNE, "scan", source, "--json"],
        cached=[*PRUNE, "scan", source, "--cache", cache, "--json"],
    )
    peer = figures["peer"][0]
    show("garbage-collect --dry-run, 10,000 tags, 43,160 blobs", f"{peer:.2f} s", "-")
    show("prune scan", f"{peer / figures['scan'][0]:.1f}x faster", "4x")
    show("prune scan, memory", f"{figures['scan'][1]} MiB", "< 500 MiB")
    show("prune scan --cache, unchanged", f"{peer / figures['cached'][0]:.1f}x faster", "40x")
    stored(folder, source, peer)


STORE = """
import os, time, resource
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from registryui.models import Registry
from registryui.services import registries, scans
registry = registries.add(None, Registry(slug="bench", title="bench", source=os.environ["BENCH_SOURCE"]))
for _ in range(2):
    begun = time.perf_counter()
    scans.perform(scans.request(None, registry).pk)
    print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def stored(folder: Path, source: str, peer: float) -> None:
    """Scan and store in SQLite, the first time and again with nothing new."""
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(folder / "data"),
        "BENCH_SOURCE": source,
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }
    done = subprocess.run([sys.executable, "-c", STORE], capture_output=True, text=True, env=environment, cwd=ROOT)
    (first, memory), (again, _) = (map(float, line.split()) for line in done.stdout.splitlines())
    show("scan and store in SQLite, first time", f"{first:.2f} s", "-")
    show("scan and store in SQLite, nothing new", f"{peer / again:.1f}x faster", "-")
    show("scan and store, memory", f"{memory:.0f} MiB", "< 500 MiB")


def pages(folder: Path) -> None:
    """Every page on a database of 100,000 tags, 2,000 repositories and a million blobs."""
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(folder / "pages"),
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pages"], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        for line in process.stdout or ():
            figure = json.loads(line)
            if "filled" in figure:
                show("100,000 tags, 1,000,000 blobs written", f"{figure['filled']:.0f} s", "-")
                continue
            if "painted" in figure:
                painted = figure["painted"]
                name, took = f"paint: {painted['name']} ({painted['sent'] / 1000:.0f} kB)", painted["milliseconds"]
                show(name, f"{took:.0f} ms", "largest contentful paint < 1000 ms")
                continue
            name, queries, sent = figure["name"], figure["queries"], figure["sent"] / 1000
            took = f"{figure['milliseconds']:.0f}/{figure['worked']:.0f} ms"
            show(f"page: {name} ({queries} queries, {sent:.0f} kB)", took, "p95 clock/processor < 100 ms")
    if process.returncode:
        raise SystemExit("The pages could not be measured.")


def graphs(folder: Path) -> None:
    """Graphs on the same database: looked at for the first time, and again."""
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(folder / "pages"),
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.graphs"], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        for line in process.stdout or ():
            figure = json.loads(line)
            wanted = "p50/p95 < 1000 ms" if figure["name"].endswith("first") else "p50/p95 < 50 ms"
            show(f"graph: {figure['name']}", f"{figure['p50']:.0f}/{figure['p95']:.0f} ms", wanted)
    if process.returncode:
        raise SystemExit("The graphs could not be measured.")


def previews(folder: Path) -> None:
    """A preview of a policy on 10,000 tags, each time of another text."""
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(folder / "previews"),
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.previews"], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"The previews could not be measured: {done.stderr}")
    for line, wanted in zip(done.stdout.splitlines(), ("< 300 ms", "-"), strict=True):
        figure = json.loads(line)
        took = f"{figure['milliseconds']:.0f}/{figure['worked']:.0f} ms"
        show(f"preview of a policy, 10,000 tags: {figure['name']}", took, f"p95 clock/processor {wanted}")


def plans() -> None:
    """A plan over 100,000 tags that deletes half of them."""
    from prune.model.manifest import DOCKER_MANIFEST, Descriptor, Manifest
    from prune.model.plan import Request
    from prune.model.snapshot import Blob, Repository, Snapshot
    from prune.plan.make import make_plan

    repositories, manifests, blobs = {}, {}, {}
    number = 0

    def blob() -> str:
        nonlocal number
        number += 1
        digest = f"sha256:{number:064x}"
        blobs[digest] = Blob(1000, 1_700_000_000)
        return digest

    base = [blob() for _ in range(5)]
    for repo in range(200):
        name, tags, revisions = f"team/r{repo}", {}, {}
        for tag in range(500):
            manifest, config, layer = blob(), blob(), blob()
            layers = tuple(Descriptor(one, 1000) for one in (*base, layer))
            manifests[manifest] = Manifest(manifest, 1000, "image", DOCKER_MANIFEST, Descriptor(config, 1000), layers)
            tags[f"t{tag}"] = manifest
            revisions[manifest] = 1_700_000_000
        repositories[name] = Repository(name, tags, {}, revisions)
    snapshot = Snapshot("storage:/x", "storage-v2", repositories, manifests, {}, blobs)
    refs = tuple(sorted(f"{name}:t{tag}" for name in repositories for tag in range(250)))
    begun = time.perf_counter()
    plan = make_plan(snapshot, Request(refs), now=1_800_000_000)
    seconds = time.perf_counter() - begun
    assert len(plan.delete.tags) == 50_000
    show("plan over 100,000 tags that deletes half", f"{seconds:.2f} s", "< 2 s")
    show("the same, memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB", "< 500 MiB")


POLICY_SECTIONS = """
protect: [{{tag: 'latest|stable'}}, {{tag: 'v\\d+\\.0\\.0'}}]
keep:
{counts}
{versions}
  - {{id: fresh, newer_than: {{age: 7d, by: pushed}}}}
delete:
{names}
{ages}
"""


def policies() -> None:
    """Fifty rules over 100,000 tags, and while typing over 10,000."""
    from prune.model.manifest import DOCKER_MANIFEST, Descriptor, Manifest
    from prune.model.snapshot import Repository, Snapshot
    from prune.policy.evaluate import decide, evaluate
    from prune.policy.facts import Facts
    from prune.policy.inventory import Inventory
    from prune.policy.read import parse_policy

    now, day = 1_800_000_000, 86400

    def registry(repositories: int) -> Snapshot:
        found, manifests, number = {}, {}, 0
        for repo in range(repositories):
            tags, times, revisions = {}, {}, {}
            for tag in range(500):
                number += 1
                digest = f"sha256:{number:064x}"
                manifests[digest] = Manifest(digest, 1000, "image", DOCKER_MANIFEST, Descriptor(digest, 1000))
                kinds = (
                    f"pr-{tag}",
                    f"main-{tag}",
                    f"v1.{tag // 50}.{tag % 50}",
                    f"feature-{tag % 50}-{tag}",
                    f"b.{tag}",
                )
                name = kinds[tag % 5]
                tags[name], times[name] = digest, now - number * 7919 % (400 * day)
                revisions[digest] = times[name]
            found[f"team/r{repo}"] = Repository(f"team/r{repo}", tags, times, revisions)
        return Snapshot("storage:/x", "storage-v2", found, manifests, blobs={})

    text = POLICY_SECTIONS.format(
        counts="\n".join(f"  - {{id: k{i}, tag: '(main|b).*{i}', newest: {{n: {i + 1}}}}}" for i in range(16)),
        versions="\n".join(
            f"  - {{id: s{i}, semver: {{range: '>=1.{i}', newest: {i + 1}, per: minor}}}}" for i in range(6)
        ),
        names="\n".join(
            f"  - {{id: d{i}, tag: '(pr|feature-{i})-.*', older_than: {{age: {i + 10}d, by: pushed}}}}"
            for i in range(20)
        ),
        ages="\n".join(f"  - {{id: a{i}, older_than: {{age: {i * 30 + 90}d, by: pushed}}}}" for i in range(5)),
    )
    snapshot = registry(200)
    begun = time.perf_counter()
    policy = parse_policy(text)
    evaluation = evaluate(snapshot, Facts(), policy, now)
    seconds = time.perf_counter() - begun
    assert len(policy.rules()) == 50
    assert len(evaluation.decisions) == 100_000
    assert evaluation.going()
    show("policy of 50 rules over 100,000 tags", f"{seconds:.2f} s", "< 3 s")
    show("the same, memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB", "< 500 MiB")
    inventory = Inventory(registry(20), Facts())
    decide(inventory, policy, now)
    begun = time.perf_counter()
    decide(inventory, parse_policy(text), now)
    show("the same while typing, over 10,000 tags", f"{(time.perf_counter() - begun) * 1000:.0f} ms", "< 300 ms")


def main() -> None:
    """Run all, or those named."""
    benches: dict[str, Callable[[], None]] = {}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        help="scans, sweep, http, plans, policies, previews, pages (with graphs), graphs, requests (default: all)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each command is run (default 5)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where the database of pages and graphs stays for the next time"
    )
    options = parser.parse_args()
    benches["plans"] = plans
    benches["policies"] = policies
    for name in options.names or ["scans", "sweep", "http", "plans", "policies", "previews", "pages", "requests"]:
        if name in ("scans", "http", "previews", "pages", "graphs", "requests"):
            keep = options.keep.absolute() if options.keep and name in ("pages", "graphs") else None
            with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as folder:
                if name == "scans":
                    scans(Path(folder), options.rounds)
                elif name == "http":
                    over_http(Path(folder), options.rounds, show)
                elif name == "requests":
                    from benchmarks.objects import requests  # an S3 server is slow to load

                    requests(Path(folder), show)
                elif name == "previews":
                    previews(Path(folder))
                elif name == "graphs":
                    graphs(Path(folder))
                else:
                    pages(Path(folder))
                    graphs(Path(folder))
        elif name == "sweep":
            with tempfile.TemporaryDirectory() as folder:
                sweeps(Path(folder), options.rounds, PRUNE, show)
        elif name in benches:
            # In a process of its own: what came before shall not count for its memory.
            if os.environ.get("BENCH_INNER") == name:
                benches[name]()
            else:
                subprocess.run(
                    [sys.executable, "-m", "benchmarks", name],
                    env=os.environ | {"BENCH_INNER": name},
                    cwd=ROOT,
                    check=True,
                )
        else:
            raise SystemExit(json.dumps(name) + " is no benchmark")


if __name__ == "__main__":
    main()
