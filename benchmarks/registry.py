"""Over HTTP: the rate of requests against `wrk`, and a first scan against `skopeo inspect`, on the same registry."""

import contextlib
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.store import generate
from prune.sources.registry_v2.notifications import OUR_AGENT
from prune.sources.registry_v2.reading import ACCEPT

ROOT = Path(__file__).resolve().parents[1]
CONCURRENCY = 16
SLICE = 2
"""Seconds that each gets at a time."""

WRK = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
local headers = {["Accept"] = "%s", ["Accept-Encoding"] = "identity", ["User-Agent"] = "%s"}
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at], headers)
end
"""

#: Asks for manifests, each another, for some seconds; prints requests a second and microseconds of CPU for each.
OURS = """
import asyncio, sys, time
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from prune.sources.registry_v2.reading import ACCEPT
address, file, seconds, at_once = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
paths = open(file).read().split()
async def work(client):
    done = 0
    following = iter(paths)
    begun, cpu = time.perf_counter(), time.process_time()
    async def ask():
        nonlocal done
        for path in following:
            if time.perf_counter() - begun > seconds:
                return
            answer = await client.send("GET", path, scope="x", headers={"Accept": ACCEPT})
            assert answer.status == 200, answer
            done += 1
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(ask())
    return done / (time.perf_counter() - begun), 1e6 * (time.process_time() - cpu) / done
print(*open_source(address, kind="registry-v2", access=Access(Credentials()), concurrency=at_once).run(work))
"""

#: Scans some repositories for the first time, with or without configs; prints images, seconds, and MiB at the peak.
SCAN = """
import resource, sys, time
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
begun = time.perf_counter()
source = open_source(sys.argv[1], kind="registry-v2", access=Access(Credentials()), repositories=sys.argv[2])
snapshot = source.scan(configs=sys.argv[3] == "configs")
assert snapshot.complete
images = sum(len(repository.tags) for repository in snapshot.repositories.values())
print(images, time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

#: Scans again with every allocation counted; prints the MiB of the result, and what it took besides at the peak.
TRACED = """
import gc, sys, tracemalloc
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
def source(names):
    return open_source(sys.argv[1], kind="registry-v2", access=Access(Credentials()), repositories=names)
source(sys.argv[2].partition(",")[0]).scan()
gc.collect()
tracemalloc.start()
snapshot = source(sys.argv[2]).scan()
gc.collect()
now, peak = tracemalloc.get_traced_memory()
print(now / 2**20, (peak - now) / 2**20)
"""


def over_http(folder: Path, rounds: int, show: Callable[[str, str, str], None]) -> None:
    """Serve a made-up registry of 10,000 images with the real server, and measure."""
    store = folder / "store"
    generate(store)
    with served(store, folder) as (address, server):
        rate(address, server, folder, sorted(_manifests(store)), 2 * rounds, show)
        first_scan(address, store, show)


@contextlib.contextmanager
def served(store: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Run the real server over ``store``; yields its address and the number of its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {store}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    server = subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/v2/"):
                break
            time.sleep(0.05)
        yield address, server.pid
    finally:
        server.terminate()
        server.wait(10)


def rate(
    address: str, server: int, folder: Path, paths: list[str], rounds: int, show: Callable[[str, str, str], None]
) -> None:
    """Ask for manifests in turn with `wrk`, so that each meets the same machine; another one with each request.

    On a busy machine a rate tells mostly what else was going on. What a request costs, server and client together, is
    what bounds the rate where both share the processors; it is shown beside it.
    """
    listed, script = folder / "paths", folder / "wrk.lua"
    listed.write_text("\n".join(paths) + "\n")
    script.write_text(WRK % (listed, ACCEPT, OUR_AGENT))
    rates, costs, clients = ([], []), ([], []), ([], [])
    wrk = ["wrk", "-t1", f"-c{CONCURRENCY}", f"-d{SLICE}s", "-s", str(script), address]
    prune = [sys.executable, "-c", OURS, address, str(listed), str(SLICE), str(CONCURRENCY)]
    for number in range(rounds + 1):
        for which, command in enumerate((wrk, prune)):
            before, spent = _processor(server), _children()
            said = _run(command)
            busy = 1e6 * (_processor(server) - before)
            if command is wrk:
                found = float(re.findall(r"Requests/sec:\s*([0-9.]+)", said)[0])
                client = 1e6 * (_children() - spent) / float(re.findall(r"(\d+) requests in", said)[0])
            else:
                found, client = (float(text) for text in said.split())
            if number:  # the first is to warm up
                rates[which].append(found)
                clients[which].append(client)
                costs[which].append(busy / (found * SLICE) + client)
    peer, here = map(statistics.median, rates)
    show(f"wrk, distinct manifests, {CONCURRENCY} at a time", f"{peer:.0f} requests/s", "-")
    show("prune, the same", f"{here:.0f} requests/s", "-")
    show("prune against wrk", f"{100 * here / peer:.0f} %", "90 %")
    theirs, ours = map(statistics.median, clients)
    show("processor time of wrk and prune for each request", f"{theirs:.0f}, {ours:.0f} us", "-")
    theirs, ours = map(statistics.median, costs)
    show("the same with the server's", f"{theirs:.0f}, {ours:.0f} us", "-")
    show("prune against wrk, by processor time", f"{100 * theirs / ours:.0f} %", "90 %")


def _processor(process: int) -> float:
    """Return the seconds that a process has worked."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children() -> float:
    """Return the seconds that everything worked which was started here and has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def first_scan(address: str, store: Path, show: Callable[[str, str, str], None]) -> None:
    """Scan everything against a sample of what `skopeo inspect` takes for one image: as `prune scan` does, and as the
    dashboard does, which reads the configs too."""
    names = sorted({path[len("/v2/") :].partition("/manifests/")[0] for path in _manifests(store)})
    few, _, small = _scan(address, names[: len(names) // 5], "configs")
    images, seconds, _ = _scan(address, names, "plain")
    _, whole, memory = _scan(address, names, "configs")
    host = address.removeprefix("http://")
    took = []
    for name in names[::10]:
        begun = time.perf_counter()
        _run(["skopeo", "inspect", "--tls-verify=false", f"docker://{host}/{name}:1.7"])
        took.append(time.perf_counter() - begun)
    loop = statistics.median(took) * images
    show(f"skopeo inspect, a loop over {images:,.0f} images", f"{loop:.0f} s", "-")
    show("prune scan, the first time", f"{loop / seconds:.0f}x faster", "10x")
    show("the dashboard's scan, the first time", f"{loop / whole:.0f}x faster", "-")
    show(f"memory of all, {few:,.0f} and {images:,.0f} images", f"{small:.0f}, {memory:.0f} MiB", "-")
    traced = [
        [float(text) for text in _run([sys.executable, "-c", TRACED, address, ",".join(part)]).split()]
        for part in (names[: len(names) // 5], names)
    ]
    (result, above), (more, beside) = traced
    show("memory of the result itself, the same", f"{result:.1f}, {more:.1f} MiB", "-")
    show("memory above the result itself, the same", f"{above:.1f}, {beside:.1f} MiB", "flat")


def _scan(address: str, names: list[str], configs: str) -> tuple[float, float, float]:
    images, seconds, memory = _run([sys.executable, "-c", SCAN, address, ",".join(names), configs]).split()
    return float(images), float(seconds), float(memory)


def _manifests(store: Path) -> Iterator[str]:
    """Yield the path of every manifest in the API."""
    base = str(store / "docker/registry/v2/repositories")
    for folder, folders, _ in os.walk(base):
        if folder.endswith("_manifests/revisions/sha256"):
            name = folder[len(base) + 1 :].removesuffix("/_manifests/revisions/sha256")
            yield from (f"/v2/{name}/manifests/sha256:{one}" for one in folders)
            folders.clear()


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} … ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout
