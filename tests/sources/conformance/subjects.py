"""The same shop in every kind of source: a base, two images on it, one with two names, and one that stands alone.

Each subject reads what is in it in a way of its own, without the engine, and can be spoiled and littered.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from aiohttp import web

from prune.sources.open import open_source
from tests.buckets import InBucket
from tests.engine_proxy import EngineProxy
from tests.engines import Engine
from tests.http.registry_v1 import RegistryV1Server
from tests.layouts import Layout
from tests.objects.memory import pulled as objects_pulled
from tests.objects.memory import v1_pulled as objects_v1_pulled
from tests.reclaim.naive import layout_pulled, pulled, v1_pulled
from tests.servers import Registry, registry, skopeo
from tests.stores import V1Store, V2Store, age, data_bytes, sha256

BASE, ONE, STABLE, TWO, LONELY = (
    ("shop/base", "1"),
    ("shop/app", "1.0"),
    ("shop/app", "stable"),
    ("shop/app", "2.0"),
    ("shop/lonely", "1"),
)
#: Which tags the image of a tag is based on.
BASED_ON = {BASE: set(), ONE: {BASE}, STABLE: {BASE}, TWO: {ONE, STABLE}, LONELY: set()}


class Subject:
    """A source with the shop in it. ``all_or_nothing``: what cannot be read fails the whole scan."""

    all_or_nothing = False

    def __init__(self, source: str) -> None:
        self.source = source

    def open(self):
        return open_source(self.source, timeout=10)

    def contents(self) -> dict[tuple[str, str], object]:
        """Every tag with all that belongs to it, read without the engine."""
        raise NotImplementedError

    def size(self) -> int:
        """The bytes that are stored, counted without the engine."""
        raise NotImplementedError

    @contextmanager
    def spoiled(self) -> Iterator[None]:
        """Something that ``shop/app`` needs cannot be read."""
        raise NotImplementedError

    def litter(self) -> None:
        """Leave something behind that nothing references."""
        raise NotImplementedError


@contextmanager
def away(path: Path, instead: bytes | None = None) -> Iterator[None]:
    body = path.read_bytes()
    path.unlink() if instead is None else path.write_bytes(instead)
    try:
        yield
    finally:
        path.write_bytes(body)
        age(path.parent)


# ---- V1 ---------------------------------------------------------------------------------------------------


def fill_v1(store: V1Store) -> V1Store:
    for letter, parent in {"A": None, "B": "A", "C": "B", "D": None}.items():
        store.image(letter, parent)
    for (name, tag), letter in {BASE: "A", ONE: "B", STABLE: "B", TWO: "C", LONELY: "D"}.items():
        store.tag(name, tag, letter)
    for name, letters in {"shop/base": "A", "shop/app": "ABC", "shop/lonely": "D"}.items():
        store.index(name, *letters)
    age(store.root)
    return store


class StorageV1Subject(Subject):
    def __init__(self, folder: Path) -> None:
        self.store = fill_v1(V1Store(folder / "v1"))
        super().__init__(self.store.source)

    def contents(self):
        return v1_pulled(self.store.root)

    def size(self):
        return data_bytes(self.store.root, "layer")

    def spoiled(self):
        return away(self.store.root / "images" / self.store.id("C") / "ancestry")

    def litter(self):
        self.store.image("E")
        age(self.store.root)


class RegistryV1Subject(StorageV1Subject):
    def __init__(self, folder: Path, server: RegistryV1Server) -> None:
        super().__init__(folder)
        server.root = self.store.root
        self.source = server.url


# ---- V2 and layouts ---------------------------------------------------------------------------------------


def fill_layout(root: Path) -> Layout:
    layout = Layout(root)
    base, common = layout.layer("base"), layout.layer("common")
    layout.image(base, tag=":".join(BASE))
    one = layout.image(base, common, tag=":".join(ONE))
    layout.entry({**one, "annotations": {"org.opencontainers.image.ref.name": ":".join(STABLE)}})
    layout.image(base, common, layout.layer("two"), tag=":".join(TWO))
    layout.image(layout.layer("alone"), tag=":".join(LONELY))
    age(layout.root)
    return layout


def fill_registry(folder: Path) -> Path:
    """Push the layout into a real registry; return the folder of its storage."""
    layout = fill_layout(folder / "layout")
    with registry(folder / "store", folder) as server:
        for name in map(":".join, BASED_ON):
            skopeo(f"{layout.source}:{name}", f"docker://{server.host}/{name}")
    age(folder / "store")
    return folder / "store"


class OciSubject(Subject):
    def __init__(self, folder: Path) -> None:
        self.layout = fill_layout(folder / "layout")
        super().__init__(self.layout.source)

    def contents(self):
        return layout_pulled(self.layout.root)

    def size(self):
        return sum(path.stat().st_size for path in self.layout.root.glob("blobs/*/*"))

    def spoiled(self):
        return away(self.layout.path(self.open().scan().repositories["shop/app"].tags["2.0"]), b"{}")

    def litter(self):
        self.layout.blob(b"litter")
        age(self.layout.root)


class StorageV2Subject(Subject):
    def __init__(self, root: Path) -> None:
        self.store = V2Store(root)
        super().__init__(self.store.source)

    def contents(self):
        return pulled(self.store)

    def size(self):
        return data_bytes(self.store.root)

    def spoiled(self):
        return away(self.store.blob_path(self.store.tag_path(*TWO).read_text()), b"{}")

    def litter(self):
        self.store.blob(b"litter")
        age(self.store.root)


class RegistryV2Subject(StorageV2Subject):
    def __init__(self, server: Registry) -> None:
        super().__init__(server.root)
        self.server = server
        self.source = f"http://{server.host}"

    def contents(self):
        return self.server.pull_all()


# ---- buckets ----------------------------------------------------------------------------------------------


class InBucketSubject(Subject):
    """What a subject on a disk holds, as objects. ``data`` is the name of the files that count."""

    data = "data"

    def __init__(self, bucket: InBucket, root: Path) -> None:
        self.bucket = bucket
        bucket.fill(root)
        super().__init__(bucket.source)

    def size(self):
        return sum(len(body) for path, body in self.bucket.objects().items() if path.endswith(f"/{self.data}"))

    @contextmanager
    def without(self, path: str, instead: bytes) -> Iterator[None]:
        body = self.bucket.objects()[path]
        obstore.put(self.bucket.store, path, instead)
        try:
            yield
        finally:
            obstore.put(self.bucket.store, path, body)

    def leave(self, path: str, body: bytes) -> None:
        obstore.put(self.bucket.store, path, body)
        time.sleep(1)  # the times of objects are whole seconds, and what is as young as the plan stays


class StorageV1InBucketSubject(InBucketSubject):
    data = "layer"

    def __init__(self, bucket: InBucket, folder: Path) -> None:
        super().__init__(bucket, fill_v1(V1Store(folder / "v1")).root)

    def contents(self):
        return objects_v1_pulled(self.bucket.objects())

    def spoiled(self):
        return self.without(f"images/{V1Store.id('C')}/ancestry", b"{}")

    def litter(self):
        folder = f"images/{V1Store.id('E')}"
        obstore.put(self.bucket.store, f"{folder}/ancestry", json.dumps([V1Store.id("E")]).encode())
        self.leave(f"{folder}/layer", b"litter")


class StorageV2InBucketSubject(InBucketSubject):
    def contents(self):
        return objects_pulled(self.bucket.objects())

    def _data(self, digest: str) -> str:
        algorithm, _, encoded = digest.partition(":")
        return f"docker/registry/v2/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"

    def spoiled(self):
        return self.without(self._data(self.open().scan().repositories["shop/app"].tags["2.0"]), b"{}")

    def litter(self):
        self.leave(self._data(sha256(b"litter")), b"litter")


# ---- Docker -----------------------------------------------------------------------------------------------


class DockerSubject(Subject):
    all_or_nothing = True

    def __init__(self, engine: Engine, proxy: EngineProxy) -> None:
        self.engine = engine
        self.proxy = proxy
        super().__init__(proxy.source)
        engine.pack(":".join(BASE), {"/etc/shop": b"base" * 500})
        engine.build(f"FROM {':'.join(BASE)}\nCOPY common /\n", *map(":".join, (ONE, STABLE)), common=b"c" * 3000)
        engine.build(f"FROM {':'.join(ONE)}\nCOPY two /\n", ":".join(TWO), two=b"t" * 2000)
        engine.pack(":".join(LONELY), {"/etc/lonely": b"alone" * 700})

    def contents(self):
        found = {}
        for name, id_ in self.engine.names().items():
            if name.startswith("shop/"):
                said = self.engine.api.inspect_image(id_)
                repository, _, tag = name.rpartition(":")
                found[repository, tag] = (id_, said["RootFS"], said["Config"], said["Size"])
        return found

    def size(self):
        return self.engine.layer_bytes()

    @contextmanager
    def spoiled(self):
        path = f"/images/{self.engine.id(':'.join(TWO))}/json"
        self.proxy.hook = lambda request: web.Response(status=500) if request.path.endswith(path) else None
        yield
        self.proxy.hook = None

    def litter(self):
        self.engine.pack("shop/litter:1", {"/etc/litter": b"litter"})
        self.engine.pack("shop/litter:1", {"/etc/litter": b"other"})
        self.engine.api.remove_image("shop/litter:1")
        time.sleep(1)  # the engine's times are whole seconds, and what is as young as the plan stays
