"""Getting the space back after half of 10,000 tags were deleted: our sweep against the registry's own collection.

**The same beginning and the same end.** Every command meets a fresh copy of one store, and afterwards all hold the
same blobs, which is looked at. The first comparison begins after the deletions: a registry's API has taken the tags
and the links of their manifests, which is where `garbage-collect` begins. The second begins with all 10,000 tags: the
registry is started, deletes half of them over its API, sixteen requests at a time, is stopped and collects; we do the
same with one plan. To stop the registry and start it again takes both the same, and does not count in the first.

**What is not the same** is all to the peer's advantage. `garbage-collect` (2.8) leaves the links of the layers that
it removes, 15,000 folders here, and a registry goes on believing in them: we take them away. It syncs nothing, looks
at nothing afterwards, and has no way back. For us count a journal that is on the disk before anything moves, the
trash, a look at everything that stays, and, in the figures that give the bytes back, emptying the trash for good.

**Copies stay to the end**, six of them a round, a GiB each: ext4 gives no inode anew that was freed in the last
minutes, and looks past them one by one. After a copy was removed, the next one and every folder that a trash needs
would take several times as long.
"""

import http.client
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.registry import served
from benchmarks.store import generate

type Show = Callable[[str, str, str], None]
REPOSITORIES = "docker/registry/v2/repositories"
AT_ONCE = 16
#: What one copy of the store takes on a disk, and a little more.
STORE_BYTES = 1 << 30


def every_other(root: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield repository, folder and digest of every other tag."""
    base = root / REPOSITORIES
    for tags in sorted(base.glob("*/*/_manifests/tags")):
        name = str(tags.parents[1].relative_to(base))
        for tag in sorted(tags.iterdir())[1::2]:
            yield name, tag, (tag / "current/link").read_text()


def halve(root: Path) -> None:
    """Take every other tag away, as a deletion over the API leaves it: the tag and the manifest's link are gone, its
    blobs and the links of its layers are still there."""
    for _, tag, digest in every_other(root):
        shutil.rmtree(tag.parents[1] / "revisions" / digest.replace(":", "/"))
        shutil.rmtree(tag)


def sweeps(folder: Path, rounds: int, prune: list[str], show: Show) -> None:
    """Both comparisons."""
    whole, half = folder / "whole", folder / "half"
    if shutil.disk_usage(folder).free < (needed := (2 + 6 * rounds) * STORE_BYTES):
        raise SystemExit(f"{folder} needs {needed >> 30} GiB free for {rounds} rounds; give fewer --rounds")
    generate(whole)
    subprocess.run(["cp", "-a", str(whole), str(half)], check=True)
    halve(half)
    bench = _Bench(folder, prune)
    seen = [bench.round(half, bench.collected, ["--sweep"]) for _ in range(rounds)]
    _figures("half of 10,000 tags were deleted", seen, show)
    going = [f"{name}:{tag.name}" for name, tag, _ in every_other(whole)]
    asked = [word for ref in going for word in ("--delete", ref)]
    seen = [bench.round(whole, bench.deleted_and_collected, ["--sweep", *asked]) for _ in range(rounds)]
    _figures("half of 10,000 tags have to go", seen, show)


def _figures(what: str, seen: list[dict[str, float]], show: Show) -> None:
    def median(*parts: str) -> float:
        return statistics.median(sum(one[part] for part in parts) for one in seen)

    peer = median("peer")
    show(f"{what}: the registry's own", f"{peer:.2f} s", "-")
    show("prune plan and apply, all in the trash", f"{peer / median('plan', 'apply'):.1f}x faster", "3x")
    show("the same and empty-trash", f"{peer / median('plan', 'apply', 'empty'):.1f}x faster", "3x")
    show("prune plan and apply --no-trash", f"{peer / median('plan', 'at once'):.1f}x faster", "3x")
    parts = ", ".join(f"{name} {median(name):.2f}" for name in ("plan", "apply", "empty", "at once"))
    show("its parts, seconds", parts, "-")


class _Bench:
    def __init__(self, folder: Path, prune: list[str]) -> None:
        self.folder = folder
        self.prune = prune
        self.number = count()

    def round(self, original: Path, peer: Callable[[Path], float], options: list[str]) -> dict[str, float]:
        """Let each meet a fresh copy of ``original``; return the seconds of the peer and of the parts of ours."""
        left, seen = [], {}
        file = str(self.folder / "plan.json")
        word = ["--yes", "--registry-stopped", "the benchmark", "--json"]
        copy = self.copy(original)
        seen["peer"] = peer(copy)
        left.append(blobs(copy))
        copy = self.copy(original)
        source = f"storage:{copy}"
        seen["plan"] = timed([*self.prune, "plan", source, *options, "--grace", "24h", "--out", file, "--json"])
        seen["apply"] = timed([*self.prune, "apply", source, file, *word])
        seen["empty"] = timed([*self.prune, "empty-trash", source, "--yes", "--json"])
        left.append(blobs(copy))
        copy = self.copy(original)
        source = f"storage:{copy}"
        timed([*self.prune, "plan", source, *options, "--grace", "24h", "--out", file, "--json"])
        seen["at once"] = timed([*self.prune, "apply", source, file, "--no-trash", *word])
        left.append(blobs(copy))
        assert left[0] == left[1] == left[2], "they did not keep the same blobs"
        return seen

    def copy(self, original: Path) -> Path:
        """Return a copy that is on the disk."""
        copy = self.folder / f"copy{next(self.number)}"
        subprocess.run(["cp", "-a", str(original), str(copy)], check=True)
        subprocess.run(["sync"], check=True)
        return copy

    def collected(self, store: Path) -> float:
        """Let the registry collect its garbage."""
        config = self.folder / "collect.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {store}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n"
        )
        return timed(["docker-registry", "garbage-collect", str(config)])

    def deleted_and_collected(self, store: Path) -> float:
        """Let the registry delete every other tag's manifest over its API, and then collect."""
        paths = [f"/v2/{name}/manifests/{digest}" for name, _, digest in every_other(store)]
        begun = time.perf_counter()
        with served(store, self.folder) as (address, _), ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number: _delete(address, paths[number::AT_ONCE]), range(AT_ONCE)))
        return time.perf_counter() - begun + self.collected(store)


def _delete(address: str, paths: list[str]) -> None:
    with closing(http.client.HTTPConnection(urlsplit(address).netloc)) as connection:
        for path in paths:
            connection.request("DELETE", path)
            answer = connection.getresponse()
            assert answer.status == 202, answer.read()
            answer.read()


def timed(command: list[str]) -> float:
    """Run a command to its end; return seconds."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def blobs(root: Path) -> set[str]:
    """Return every blob that is left."""
    return {path.parent.name for path in root.glob("docker/registry/v2/blobs/*/*/*/data")}
