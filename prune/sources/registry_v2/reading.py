"""Reading a registry: catalog, tags, manifests, configs, referrers."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from prune.model.digest import Digest, digest_of, is_digest, matches
from prune.model.errors import Unreadable
from prune.model.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    IMAGE_CONFIG_TYPES,
    MAX_CONFIG_BYTES,
    MAX_MANIFEST_BYTES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1_SIGNED,
    ImageConfig,
    Manifest,
    parse_manifest,
)
from prune.model.reference import is_tag_name
from prune.model.snapshot import Repository, Snapshot
from prune.sources.base import Progress, Report, silent
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client, Unreachable, quoted
from prune.sources.registry_v2.listing import MOST_TOLD, Listing, each, next_page
from prune.sources.registry_v2.sharing import Sharing
from prune.sources.registry_v2.transfer import Answer
from prune.sources.storage_v2.findings import Findings

ACCEPT = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, OCI_ARTIFACT, SCHEMA1_SIGNED))
#: So many requests for one repository may go without an answer before it is given up.
MOST_UNANSWERED = 5
#: Repositories that are read side by side; how many requests that are in all is the client's to say.
REPOSITORIES_AT_ONCE = 8
#: Manifests for which no referrers were listed before a registry is taken to list none: one may just have gone.
REFUSALS = 3
#: Pages of referrers of one manifest.
MOST_PAGES = 100


class _Missing(Unreadable):
    """There is no such manifest in this repository."""


class Reader:
    """Reads one registry into the parts of a snapshot; what cannot be read becomes a finding."""

    def __init__(self, client: Client, known: Snapshot | None, report: Report = silent, *, configs: bool) -> None:
        self.client = client
        self.known_manifests = known.manifests if known else {}
        self.known_configs = known.configs if known else {}
        self.rescan = known is not None
        self.there: Mapping[str, Collection[Digest]] = {}
        """Manifests, by repository, that are taken to be there still, if it is known what they say."""
        self.standing: Mapping[str, Mapping[str, Digest]] = {}
        """Tags, by repository, that are taken to point where they did."""
        self.also: Mapping[str, Collection[Digest]] = {}
        """Manifests, by repository, to look for although no tag may lead to them."""
        self.expected: Mapping[str, Collection[str]] = {}
        """Tags, by repository, that are looked for although they may not be listed."""
        self.report = report
        self.with_configs = configs
        self.findings = Findings()
        self.listing = Listing(client, self.findings, report)
        self.manifests: dict[Digest, Manifest] = {}
        self.configs: dict[Digest, ImageConfig] = {}
        self._sharing = Sharing()
        self._seen: defaultdict[str, set[Digest]] = defaultdict(set)
        """By repository while it is read: manifests that were seen in it."""
        self._problems: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()
        self._refusals = 0
        self._unlisted: dict[str, Digest] = {}
        """By repository, a manifest whose referrers were not listed: as it seems, this registry lists none."""
        self._at_once = client.options.concurrency
        self._tags = 0
        self._done = 0

    # ---- repositories -------------------------------------------------------------------------------------

    def _block(self, name: str, where: str, what: str) -> None:
        """Remember something unreadable; of a repository that is full of it, not everything."""
        self._problems[name] += 1
        if self._problems[name] <= MOST_TOLD:
            self.findings.block_repository(name, where, what)

    async def repositories(self, names: Iterable[str]) -> dict[str, Repository]:
        """Read repositories, several at a time."""
        wanted = sorted(set(names))

        async def read(name: str) -> tuple[str, Repository]:
            found = await self.repository(name)
            self._done += 1
            self.report(Progress(f"reading repositories ({self._tags} tags)", self._done, len(wanted)))
            return name, found

        found = dict(await each(read, wanted, REPOSITORIES_AT_ONCE))
        if self.client.referrers_api:
            for name, digest in self._unlisted.items():
                self._block(name, f"{name}@{digest} (referrers)", "are not listed, and those of others are")
                found[name] = msgspec.structs.replace(found[name], complete=False)
        return found

    async def repository(self, name: str) -> Repository:
        """Read one repository; what cannot be read makes it incomplete."""
        tags: dict[str, Digest] = {}
        revisions: dict[Digest, int | None] = {}
        try:
            listed = await self.listing.tags(name)
            listed += await self._left_out(name, listed)
        except (Unreadable, Denied) as error:
            self._block(name, f"{name} (list of tags)", str(error))
            return Repository(name, complete=False)
        self._tags += len(listed)
        odd = [tag for tag in listed if not is_tag_name(tag)]
        for tag in odd:
            self._block(name, f"{name}:{tag[:128]!r}", "is a tag that no registry should have")
        good = [tag for tag in listed if is_tag_name(tag)]
        results = await each(lambda tag: self._tag(name, tag), good, self._at_once)
        for tag, digest in zip(good, results, strict=True):
            if digest is not None:
                tags[tag] = digest
        pending = list(dict.fromkeys(tags.values()))
        pending += await self._untagged(name, [one for one in self.also.get(name, ()) if one not in tags.values()])
        while pending:
            following: list[Digest] = []
            fresh = [digest for digest in pending if digest not in revisions]
            revisions.update(dict.fromkeys(fresh))
            for found in await each(lambda digest: self._belongings(name, digest), fresh, self._at_once):
                following += found
            pending = list(dict.fromkeys(following))
        self._seen.pop(name, None)
        more = self._problems[name] - MOST_TOLD
        if more > 0:
            self.findings.block_repository(name, name, f"has {more} more problems like these")
        return Repository(name, tags=tags, revisions=revisions, complete=name not in self.findings.blocked)

    async def _left_out(self, name: str, listed: Collection[str]) -> list[str]:
        """Return which of the tags that are ``expected`` are there although they are not listed: some servers leave
        names out (distribution#4891), and what a deletion by digest would take along must be seen."""
        among = set(listed)
        suspects = sorted(tag for tag in self.expected.get(name, ()) if tag not in among)

        async def there(tag: str) -> bool:
            try:
                return (await self._ask("HEAD", name, tag)).status != 404
            except (Unreadable, Denied):
                return True  # what is wrong with it is found out when it is read

        found = await each(there, suspects, self._at_once)
        missed = [tag for tag, here in zip(suspects, found, strict=True) if here]
        if missed:
            what = f"leaves out {len(missed)} tags that are there all the same, for instance {missed[0]}"
            self.findings.note(f"{name} (list of tags)", what, repository=name)
        return missed

    async def _tag(self, name: str, tag: str) -> Digest | None:
        """Return what a tag points at; reads its manifest unless it is known."""
        where = f"{name}:{tag}"
        stood = self.standing.get(name, {}).get(tag, "")
        if stood in self.known_manifests:
            self.manifests.setdefault(stood, self.known_manifests[stood])
            self._seen[name].add(stood)
            return stood
        try:
            if self.rescan:
                answer = await self._ask("HEAD", name, tag)
                digest = answer.headers.get("docker-content-digest", "")
                if answer.status == 200 and is_digest(digest) and digest in self.known_manifests:
                    self.manifests.setdefault(digest, self.known_manifests[digest])
                    self._seen[name].add(digest)
                    await self._config(name, self.manifests[digest])
                    return digest
            answer = await self._ask("GET", name, tag)
            if answer.status == 404:
                # Listed, and not there: deleted a moment ago, or a broken tag. Both keep the repository as it is.
                raise Unreadable("is listed, but there is no manifest")
            if answer.status != 200:
                raise Unreadable(f"was answered with status {answer.status}")
            digest = answer.headers.get("docker-content-digest", "") or digest_of(answer.body)
            await self._parsed(name, digest, answer)
        except (Unreadable, Denied) as error:
            self._block(name, where, str(error))
            return None
        return digest

    async def _untagged(self, name: str, digests: list[Digest]) -> list[Digest]:
        """Return which of ``digests`` the repository holds; reads those that are not known."""

        async def there(digest: Digest) -> bool:
            try:
                await self._manifest(name, digest)
            except _Missing:
                return False
            except (Unreadable, Denied) as error:
                self._block(name, f"{name}@{digest}", str(error))
            return True

        found = await each(there, digests, self._at_once)
        return [digest for digest, here in zip(digests, found, strict=True) if here]

    async def _ask(self, method: str, name: str, reference: str) -> Answer:
        if self._unanswered[name] >= MOST_UNANSWERED:
            raise Unreadable("was not asked for: too much of this repository went without an answer")
        try:
            return await self.client.send(
                method,
                f"/v2/{name}/manifests/{quoted(reference)}",
                scope=f"repository:{name}:pull",
                headers={"Accept": ACCEPT},
                limit=MAX_MANIFEST_BYTES,
            )
        except Unreachable:
            self._unanswered[name] += 1
            raise

    async def _parsed(self, name: str, digest: Digest, answer: Answer) -> Manifest:
        if not is_digest(digest):
            raise Unreadable(f"has the digest {digest[:80]!r}, which is none")
        if not matches(digest, answer.body):
            raise Unreadable("is not what its digest says")
        manifest = self.manifests.get(digest)
        if manifest is None:
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            manifest = self._sharing.manifest(parse_manifest(digest, answer.body, kind))
            self.manifests[digest] = manifest
        self._seen[name].add(digest)
        await self._config(name, manifest)
        return manifest

    async def _manifest(self, name: str, digest: Digest) -> Manifest:
        """Return a manifest by digest, from what is known or from the registry. What it says may be known; that this
        repository has it must be seen."""
        known = self.manifests.get(digest) or self.known_manifests.get(digest)
        if known is None or not (digest in self._seen[name] or digest in self.there.get(name, ())):
            answer = await self._ask("GET" if known is None else "HEAD", name, digest)
            if answer.status == 404:
                raise _Missing("is not there")
            if answer.status != 200:
                raise Unreadable(f"was answered with status {answer.status}")
            if known is None:
                return await self._parsed(name, digest, answer)
        self._seen[name].add(digest)
        self.manifests[digest] = known
        return known

    async def _belongings(self, name: str, digest: Digest) -> list[Digest]:
        """Return the children and referrers of a manifest in its repository."""
        try:
            manifest = await self._manifest(name, digest)
        except (Unreadable, Denied) as error:
            self._block(name, f"{name}@{digest}", f"(a manifest) {error}")
            return []
        found = [child.digest for child in manifest.children]
        try:
            found += await self.referrers(name, digest)
        except (Unreadable, Denied) as error:
            self._block(name, f"{name}@{digest} (referrers)", str(error))
        return found

    async def _config(self, name: str, manifest: Manifest) -> None:
        config = manifest.config
        if (
            not self.with_configs
            or config is None
            or config.media_type not in IMAGE_CONFIG_TYPES
            or config.digest in self.configs
        ):
            return
        known = self.known_configs.get(config.digest)
        try:
            if known is None:
                answer = await self.client.send(
                    "GET",
                    f"/v2/{name}/blobs/{config.digest}",
                    scope=f"repository:{name}:pull",
                    limit=MAX_CONFIG_BYTES,
                )
                if answer.status != 200:
                    raise Unreadable(f"was answered with status {answer.status}")
                if not matches(config.digest, answer.body):
                    raise Unreadable("is not what its digest says")
                known = self._sharing.config(ImageConfig.parse(answer.body))
            self.configs[config.digest] = known
        except (Unreadable, Denied) as error:
            effect = "its image is shown without what it is based on"
            self.findings.note(f"{name}@{config.digest} (a config)", str(error), effect, name)

    async def referrers(self, name: str, digest: Digest) -> list[Digest]:
        """Return what refers to ``digest`` by the referrers API where there is one (OCI 1.1, "Listing Referrers")."""
        if self.client.referrers_api is False:
            self._unlisted.setdefault(name, digest)
            return []
        found: list[Digest] = []
        path = f"/v2/{name}/referrers/{digest}"
        seen: set[str] = set()
        while True:
            answer = await self.client.send(
                "GET", path, scope=f"repository:{name}:pull", headers={"Accept": OCI_INDEX}, limit=MAX_MANIFEST_BYTES
            )
            if answer.status != 200:
                if self.client.referrers_api is not True and answer.status in (400, 404, 405):
                    self._unlisted.setdefault(name, digest)
                    self._refusals += 1
                    self.client.referrers_api = False if self._refusals >= REFUSALS else None
                    return []
                raise Unreadable(f"was answered with status {answer.status}")
            index = parse_manifest(digest_of(answer.body), answer.body, OCI_INDEX)
            self.client.referrers_api = True
            found += [child.digest for child in index.children]
            following = next_page(answer)
            if following is None:
                return found
            path = self.client.own(following)
            if path in seen or len(seen) > MOST_PAGES:
                raise Unreadable("repeats itself without end")
            seen.add(path)
