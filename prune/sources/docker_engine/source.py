"""Reading a Docker Engine."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from docker import APIClient
from docker.errors import ImageNotFound

from prune.graph.ancestry import chain_ids
from prune.model.digest import short
from prune.model.errors import SourceError, Unreadable
from prune.model.snapshot import Blob, Repository, Snapshot, SourceKind, V1Image
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.docker_engine.client import connect, spoken
from prune.sources.docker_engine.layers import Layers, Made, layer_sizes

#: An image that is about to go is known by this name alone for a moment (see `prune.reclaim.engine`).
GOING = "registryui-going"


#: The shortest beginning of an id that engines list.
_ID = re.compile(r"[0-9a-f]{12,64}")

#: Docker came out in 2013; no image is older.
_FIRST_YEAR = 2013


class DockerEngine:
    """The engine at ``url``. ``state`` is a local folder for journals and saved images."""

    kind: SourceKind = "docker-engine"
    capabilities = Capabilities(
        lists_untagged=True,
        lists_blobs=True,
        deletes_tags=True,
        deletes_manifests=False,
        sweeps=True,
        has_trash=True,
        knows_push_times=False,
        needs_control=False,
    )

    def __init__(self, url: str, timeout: float, state: str) -> None:
        self.url = url
        self.name = f"docker:{url}"
        self.timeout = timeout
        self.state = state

    def scan(self, report: Report = silent, *, known: Snapshot | None = None, configs: bool = True) -> Snapshot:
        """See ``Source``. All or nothing: an engine that fails in between raises ``SourceError``."""
        return self.run(lambda api: _Scan(self, api, known, report).run())

    def test(self) -> str:
        """Return what answers, with its version; raise ``SourceError`` when none does."""
        return f"Docker Engine {self.run(lambda api: str(api.version()['Version']))[:40]}"

    def read_blob(self, digest: str, limit: int) -> bytes:
        """Not possible: an engine hands out whole images only. Raises ``Unreadable``."""
        raise Unreadable("cannot be read from a Docker Engine by itself")

    def run[T](self, work: Callable[[APIClient], T]) -> T:
        """Do something with a connection of its own; raise ``SourceError`` with what went wrong."""
        api = connect(self.url, self.timeout)
        try:
            with spoken(self.url):
                return work(api)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(
                f"The Docker Engine at {self.url} gave an answer that cannot be understood "
                f"({type(error).__name__}: {str(error)[:100]})."
            ) from error
        finally:
            api.close()


class _Scan:
    def __init__(self, source: DockerEngine, api: APIClient, known: Snapshot | None, report: Report) -> None:
        self.source = source
        self.api = api
        self.known = known.images if known is not None else {}
        self.report = report
        self.layers = Layers({one: blob.size for one, blob in (known.blobs or {}).items()} if known else {})
        self.images: dict[str, V1Image] = {}
        self.platforms: dict[str, str] = {}
        self.tagged: set[str] = set()
        self.tags: dict[str, str] = {}

    def run(self) -> Snapshot:
        containers = self.api.containers(all=True)
        listed = sorted(self.api.images(all=True), key=lambda image: str(image["Id"]))
        tags: dict[str, dict[str, str]] = {}
        revisions: dict[str, dict[str, int | None]] = {}
        parents = {}
        vanished: list[str] = []
        for done, row in enumerate(listed, 1):
            image = self._image(row)
            if image is None:
                vanished.append(str(row["Id"]))
                continue
            self.images[image.id] = image
            parents[image.id] = row.get("ParentId") or ""
            for text in _names(row.get("RepoTags")):
                name, _, tag = text.rpartition(":")
                if name != GOING:
                    self.tagged.add(image.id)
                    self.tags[text] = image.id
                    tags.setdefault(name, {})[tag] = image.id
                    revisions.setdefault(name, {})[image.id] = image.time
            for text in image.names:
                revisions.setdefault(text.partition("@")[0], {})[image.id] = image.time
            self.report(Progress("reading images", done, len(listed)))
        self._refuse_hidden(vanished)
        # Once more: a container made since the first look holds its image as well.
        used = self._used({str(one["Id"]): one for one in (*containers, *self.api.containers(all=True))}.values())
        sizes = self.layers.settle()
        self._put_in_order(parents, used, sizes)
        chains = {one for image in self.images.values() for one in image.layers}
        return Snapshot(
            source=self.source.name,
            kind=self.source.kind,
            repositories={
                name: Repository(name=name, tags=tags.get(name, {}), revisions=revisions[name])
                for name in sorted(revisions)
            },
            blobs={one: Blob(sizes.get(one, 0)) for one in sorted(chains)},
            images=dict(sorted(self.images.items())),
        )

    def _refuse_hidden(self, vanished: Collection[str]) -> None:
        """Raise ``SourceError`` when one of ``vanished`` is still listed: then it was not removed a moment ago, but
        cannot be read."""
        still = {str(row["Id"]) for row in self.api.images(all=True)} if vanished else set()
        for id_ in vanished:
            if id_ in still:
                raise SourceError(
                    f"The Docker Engine at {self.source.url} lists the image {short(id_)} and does not show it; "
                    "repair or remove that image first."
                )

    def _used(self, containers: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
        """Return, by image id, the containers that use it. One whose image has another id here, as engines note
        one digest of it or another, holds what it was made by."""
        found: dict[str, list[str]] = {}
        for id_, names in containers_by_image(containers).items():
            found.setdefault(id_, []).extend(names)
        for container in containers:
            if str(container["ImageID"]) not in self.images:
                for id_ in self._named(str(container.get("Image") or "")):
                    found.setdefault(id_, []).append(container_name(container))
        return found

    def _named(self, text: str) -> set[str]:
        """Return the images that a reference may mean: an id or its beginning, which engines list when a name means
        another image now, a tag, or a digest, with or without the usual host."""
        text = text.removeprefix("docker.io/").removeprefix("library/")
        spelled = {text, f"{text}:latest"}
        found = {id_ for id_, image in self.images.items() if id_ == text or spelled & _short(image.names)}
        beginning = text.removeprefix("sha256:")
        if _ID.fullmatch(beginning):
            found |= {id_ for id_ in self.images if id_.removeprefix("sha256:").startswith(beginning)}
        return found | {id_ for name, id_ in self.tags.items() if spelled & _short([name])}

    def _image(self, row: Mapping[str, Any]) -> V1Image | None:
        id_ = str(row["Id"])
        names = tuple(sorted(_names(row.get("RepoDigests"))))
        nameless = not names and not _names(row.get("RepoTags"))
        before = self.known.get(id_)
        if before is not None and before.layers and not nameless:
            # The same id is the same image for ever; only its names change, and those stand in the list.
            self.layers.add(before.layers, 0, [self.layers.sizes.get(one, 0) for one in before.layers])
            self.platforms[id_] = before.platform
            return msgspec.structs.replace(before, ancestry=(id_,), names=names, held_by=(), linked=False)
        try:
            found = self.api.inspect_image(id_)
            history = self.api.history(id_)
        except ImageNotFound:
            return None
        chain = tuple(chain_ids(tuple((found.get("RootFS") or {}).get("Layers") or ())))
        steps = [Made(int(step["Size"]), str(step["CreatedBy"])) for step in reversed(history)]
        self.layers.add(chain, int(found["Size"]), layer_sizes(len(chain), steps))
        platform = "/".join(
            part for part in (found.get("Os"), found.get("Architecture"), found.get("Variant")) if part
        )
        self.platforms[id_] = platform
        created = str(found.get("Created") or "")
        # When it was made says nothing about how long it is here: a build may say what it likes, and who loads or
        # pulls an old image has it since then. When it was named last the engine itself has noted.
        named = seconds(str((found.get("Metadata") or {}).get("LastTagTime") or ""))
        return V1Image(
            id=id_,
            ancestry=(id_,),
            size=0,
            time=None if named is None else max(named, seconds(created) or named),
            created=created,
            layers=chain,
            names=names,
            platform=platform,
        )

    def _put_in_order(self, parents: Mapping[str, str], used: Mapping[str, list[str]], sizes: dict[str, int]) -> None:
        """Work out what each image is based on: what the engine says, else the image of the same platform with the
        most of its layers and none besides."""
        by_chain: dict[tuple[str, str], str] = {}
        for id_, image in sorted(self.images.items(), key=lambda item: (item[0] not in self.tagged, item[0])):
            if image.layers:
                by_chain.setdefault((self.platforms[id_], image.layers[-1]), id_)
        bases: dict[str, str] = {}
        for id_, image in self.images.items():
            if parents[id_] in self.images:
                bases[id_] = parents[id_]
                continue
            for one in reversed(image.layers[:-1]):
                if (self.platforms[id_], one) in by_chain:
                    bases[id_] = by_chain[self.platforms[id_], one]
                    break
        for id_, image in self.images.items():
            ancestry = [id_]
            while ancestry[-1] in bases and bases[ancestry[-1]] not in ancestry:
                ancestry.append(bases[ancestry[-1]])
            below = set(self.images[bases[id_]].layers) if id_ in bases else set()
            self.images[id_] = msgspec.structs.replace(
                image,
                ancestry=tuple(ancestry),
                size=sum(sizes.get(one, 0) for one in dict.fromkeys(image.layers) if one not in below),
                held_by=tuple(sorted(used.get(id_, ()))),
                linked=parents[id_] in self.images,
            )


def containers_by_image(containers: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return, by image id, the names of the containers that use it, running or not."""
    found: dict[str, list[str]] = {}
    for container in containers:
        found.setdefault(str(container["ImageID"]), []).append(container_name(container))
    return found


def container_name(container: Mapping[str, Any]) -> str:
    """Return the first name of a container, or the beginning of its id."""
    names = [str(name).lstrip("/") for name in container.get("Names") or ()]
    return names[0] if names else str(container["Id"])[:12]


def _short(names: Iterable[str]) -> set[str]:
    return {name.removeprefix("docker.io/").removeprefix("library/") for name in names}


def _names(listed: Any) -> list[str]:
    return [str(name) for name in listed or () if "<none>" not in str(name)]


def seconds(text: str) -> int | None:
    """Return a time of the engine's in seconds since 1970, ``None`` where it tells no age: engines write the year 1
    for what they do not know, and builders 1970 or 1980 so that the same build has the same digest."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.year >= _FIRST_YEAR and moment.tzinfo is not None else None
