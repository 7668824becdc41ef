"""Getting the space back after half of 10,000 tags were deleted: our sweep against the registry's own collection."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.store import generate


def halved(root: Path) -> None:
    """Write the store and take every other tag away, as deletions over the API leave it: the tag and the manifest's
    link are gone, its blobs and the links of its layers are still there."""
    generate(root)
    for tags in sorted((root / "docker/registry/v2/repositories").glob("*/*/_manifests/tags")):
        for number, tag in enumerate(sorted(tags.iterdir())):
            if number % 2:
                digest = (tag / "current/link").read_text()
                shutil.rmtree(tags.parent / "revisions" / digest.replace(":", "/"))
                shutil.rmtree(tag)


def sweeps(folder: Path, rounds: int, prune: list[str], show: Callable[[str, str, str], None]) -> None:
    """Each round begins with fresh copies of one store; trash and journal of ours included, what is left compared."""
    original = folder / "halved"
    halved(original)
    seen: dict[str, list[float]] = {"peer": [], "plan": [], "apply": [], "empty": []}
    for number in range(rounds):
        peer, ours = folder / f"peer{number}", folder / f"ours{number}"
        for copy in (peer, ours):
            subprocess.run(["cp", "-a", str(original), str(copy)], check=True)
        subprocess.run(["sync"], check=True)
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {peer}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n"
        )
        source, file = f"storage:{ours}", str(folder / "plan.json")
        steps = {
            "peer": ["docker-registry", "garbage-collect", str(config)],
            "plan": [*prune, "plan", source, "--sweep", "--grace", "24h", "--out", file, "--json"],
            "apply": [*prune, "apply", source, file, "--yes", "--registry-stopped", "the benchmark", "--json"],
            "empty": [*prune, "empty-trash", source, "--yes", "--json"],
        }
        for name, command in steps.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seen[name].append(time.perf_counter() - begun)
        assert blobs(ours) == blobs(peer), "the two did not keep the same blobs"
        for copy in (peer, ours):
            shutil.rmtree(copy)
    peer_time = statistics.median(seen["peer"])
    swept = statistics.median(map(sum, zip(seen["plan"], seen["apply"], strict=True)))
    back = statistics.median(map(sum, zip(seen["plan"], seen["apply"], seen["empty"], strict=True)))
    show("garbage-collect, half of 10,000 tags deleted", f"{peer_time:.2f} s", "-")
    show("prune plan --sweep and apply, all in the trash", f"{peer_time / swept:.1f}x faster", "3x")
    show("the same and empty-trash, the bytes given back", f"{peer_time / back:.1f}x faster", "3x")
    parts = ", ".join(f"{name} {statistics.median(seen[name]):.2f}" for name in ("plan", "apply", "empty"))
    show("its parts, seconds", parts, "-")


def blobs(root: Path) -> set[str]:
    """Return every blob that is left."""
    return {path.parent.name for path in root.glob("docker/registry/v2/blobs/*/*/*/data")}
