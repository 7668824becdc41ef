"""A large registry in the dashboard's database, stored as a scan would store it, with people, proposals and a record.

The default numbers are those of a company's main registry: 100,000 tags in 2,000 repositories, one of them with
20,000, and a million blobs. The same numbers give the same names.
"""

import hashlib
import random
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from prune.model.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig, Manifest, Platform
from prune.model.snapshot import Blob, Repository, Snapshot
from registryui.models import (
    Approval,
    AuditEntry,
    AuditHead,
    Draft,
    Listening,
    PlanRecord,
    PolicyRun,
    Proposal,
    Pull,
    Registry,
    Run,
    Scan,
    Scrub,
)
from registryui.services import audit, policies, proposals, scans

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
DAY = 86_400
BASES = ("debian", "alpine", "python", "node", "golang", "openjdk", "nginx", "ruby", "rust", "dotnet")
NOW = 1_790_000_000
ROLES = ("viewer", "proposer", "approver", "admin")


class Size:
    """How much to make: everything follows from the number of tags, repositories and blobs."""

    def __init__(self, tags: int = 100_000, repositories: int = 2_000, blobs: int = 1_000_000) -> None:
        self.tags = tags
        self.repositories = repositories
        self.blobs = blobs

    def tags_of(self) -> list[int]:
        """Return the number of tags of each repository: one has a fifth of all, the rest is spread."""
        first = self.tags // 5
        rest = self.tags - first
        each, left = divmod(rest, self.repositories - 1)
        return [first, *(each + (1 if number < left else 0) for number in range(self.repositories - 1))]


def snapshot(size: Size) -> Snapshot:
    """Return what a scan of such a registry would have found. Every tenth tag is of an index of two platforms,
    every tenth image is signed, every 25th has lost its tag; what is missing to the number of blobs is garbage."""
    return _Maker(size).make()


class _Maker:
    def __init__(self, size: Size) -> None:
        self.size = size
        self.random = random.Random(7)
        self.number = 0
        self.manifests: dict[str, Manifest] = {}
        self.configs: dict[str, ImageConfig] = {}
        self.blobs: dict[str, Blob] = {}
        # Layers that nobody shares: as many as bring the number of blobs to what was asked for, less garbage.
        self.own_layers = max(1, round(size.blobs * 0.92 / size.tags / 1.14) - 2)

    def make(self) -> Snapshot:
        bases = [self.layers(5, 30_000_000) for _ in range(20)]
        families = {f"base/{name}": layers for name, layers in zip(BASES, bases, strict=False)}
        repositories = {}
        for number, tags in enumerate(self.size.tags_of()):
            base = list(families.values())[number % len(families)]
            if number < len(families):
                name, layers = list(families.items())[number]
            else:
                name = f"team{number % 97:02}/" + ("api/" if number % 5 == 0 else "") + f"service-{number:04}"
                layers = [*base, *self.layers(3, 5_000_000)]
            repositories[name] = self.repository(name, layers, tags, base if number < len(families) else [])
        while len(self.blobs) < self.size.blobs:
            self.blob(4_000_000)
        return Snapshot(
            "storage:/srv/registry",
            "storage-v2",
            dict(sorted(repositories.items())),
            self.manifests,
            self.configs,
            self.blobs,
        )

    def digest(self) -> str:
        self.number += 1
        return "sha256:" + hashlib.sha256(b"%d" % self.number).hexdigest()

    def blob(self, size: int) -> str:
        digest = self.digest()
        self.blobs[digest] = Blob(size, NOW - 90 * DAY)
        return digest

    def layers(self, count: int, size: int) -> list[Descriptor]:
        return [
            Descriptor(self.blob(bytes_), bytes_, LAYER)
            for bytes_ in (self.random.randrange(size // 10, size) for _ in range(count))
        ]

    def image(self, name: str, version: str, layers: list[Descriptor], age: int, architecture: str) -> Manifest:
        config = self.blob(2000)
        created = datetime.fromtimestamp(NOW - age, UTC).isoformat()
        self.configs[config] = ImageConfig(
            Platform("linux", architecture),
            tuple("sha256:" + hashlib.sha256(layer.digest.encode()).hexdigest() for layer in layers),
            created,
            {
                "org.opencontainers.image.title": name,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.revision": hashlib.sha1(f"{name} {version}".encode()).hexdigest(),
                "maintainer": f"team{len(name) % 7}@example.com",
            },
        )
        return self.manifest(DOCKER_MANIFEST, config, layers)

    def manifest(self, media_type: str, config: str, layers: list[Descriptor], **more: object) -> Manifest:
        digest = self.blob(1500)
        kind = "index" if media_type == OCI_INDEX else "image"
        descriptor = Descriptor(config, 2000, CONFIG) if config else None
        made = Manifest(digest, 1500, kind, media_type, descriptor, tuple(layers), **more)  # type: ignore[arg-type]
        self.manifests[digest] = made
        return made

    def repository(self, name: str, common: list[Descriptor], tags: int, base: list[Descriptor]) -> Repository:
        found: dict[str, str] = {}
        times: dict[str, int] = {}
        revisions: dict[str, int | None] = {}
        for number in range(tags):
            age = (tags - number) * DAY * 700 // tags + number % 3600
            tag = f"1.{number // 20}.{number % 20}" if number % 3 else f"main-{number:05}"
            own = [] if base and number == tags - 1 else self.layers(self.own_layers, 2_000_000)
            made = self.image(name, tag, [*common, *own], age, "amd64")
            revisions[made.digest] = NOW - age
            if number % 10 == 3:
                arm = self.image(name, tag, [*common, *self.layers(1, 2_000_000)], age, "arm64")
                revisions[arm.digest] = NOW - age
                children = tuple(
                    Descriptor(one.digest, 1500, OCI_MANIFEST, Platform("linux", architecture))
                    for one, architecture in ((made, "amd64"), (arm, "arm64"))
                )
                made = self.manifest(OCI_INDEX, "", [], children=children)
                revisions[made.digest] = NOW - age
            if number % 25 == 7:
                continue
            found[tag] = made.digest
            times[tag] = NOW - age
            if number % 10 == 5:
                signature = self.manifest(OCI_MANIFEST, "", [Descriptor(self.blob(900), 900, SIGNATURE)])
                companion = made.digest.replace(":", "-") + ".sig"
                revisions[signature.digest] = times[companion] = NOW - age
                found[companion] = signature.digest
        return Repository(name, found, times, revisions)


def fill(size: Size, slug: str = "main", *, decided: int = 2_000, entries: int = 50_000) -> Registry:
    """Fill the database: one registry, four people, ``decided`` old proposals with their runs, a proposal of 500
    tags that waits, and ``entries`` entries of the record."""
    people = {role: User.objects.get_or_create(username=role)[0] for role in ROLES}
    for role, user in people.items():
        user.groups.add(Group.objects.get(name=role))
    registry = Registry.objects.create(
        slug=slug, title="Main", source="storage:/srv/registry", kind="storage-v2", control_statement="Stopped."
    )
    made = snapshot(size)
    scan = Scan.objects.create(registry=registry, state="running", started_at=timezone.now())
    scans.keep(scan, made)
    registry.refresh_from_db()
    _history(registry, people, made, decided)
    beside(registry, people["proposer"], made, decided)
    _record(people, entries)
    return registry


def _history(registry: Registry, people: dict[str, User], made: Snapshot, decided: int) -> None:
    names = [name for name in sorted(made.repositories) if not name.startswith("base/")]
    refs = []
    for name in names:
        refs += [f"{name}:{tag}" for tag in sorted(made.repositories[name].tags) if tag.startswith("main-")][:10]
        if len(refs) >= 500:
            break
    waiting = proposals.create(
        people["proposer"], registry, refs[:500], title="", reason="Old builds of main.", sweep=False
    )
    plan = waiting.plan
    if plan is None:
        raise AssertionError("a proposal without a plan")
    now = timezone.now()
    common = {"registry": registry, "proposer": people["proposer"], "last_editor": people["proposer"]}
    old = Proposal.objects.bulk_create(
        [Proposal(**common, title=f"Clean up {names[n % len(names)]}", state="done") for n in range(decided)]
    )
    plans = PlanRecord.objects.bulk_create(
        [
            PlanRecord(
                proposal=proposal,
                scan_id=plan.scan_id,
                digest=plan.digest,
                body=b"",
                tags=number % 40,
                items=number % 90,
                freed_bytes=number * 1_000_000,
                created_by=people["proposer"],
            )
            for number, proposal in enumerate(old)
        ]
    )
    for proposal, record in zip(old, plans, strict=True):
        proposal.plan = record
    Proposal.objects.bulk_update(old, ["plan"], batch_size=500)
    Approval.objects.bulk_create(
        Approval(proposal=p, plan=r, user=people["approver"], user_name="approver", decision="approve")
        for p, r in zip(old, plans, strict=True)
    )
    Run.objects.bulk_create(
        Run(
            registry=registry,
            proposal=proposal,
            plan=record,
            kind="apply",
            state="done",
            started_by=people["admin"],
            started_at=now,
            finished_at=now,
            items=record.items,
            freed_bytes=record.freed_bytes,
            trash="held" if number % 2 else "emptied",
            trash_until=now + timedelta(days=number % 14),
        )
        for number, (proposal, record) in enumerate(zip(old, plans, strict=True))
    )


def beside(registry: Registry, person: User, made: Snapshot, number: int) -> None:
    """Make what else a registry has pages of: so many pulls, drafts and scrubs, and some policies."""
    now = timezone.now()
    Listening.objects.create(registry=registry, token_hash=f"{registry.pk:064}", since=now, last_at=now)
    served = [(name, digest) for name, one in made.repositories.items() for digest in one.tags.values()][:number]
    Pull.objects.bulk_create(
        Pull(registry=registry, repository=name, digest=digest, agent="docker", at=now) for name, digest in served
    )
    Draft.objects.bulk_create(
        Draft(registry=registry, user=person, state="failed", message="There is nothing to delete.", finished_at=now)
        for _ in range(number)
    )
    fault = {"kind": "missing-blob", "item": served[0][1], "what": "is needed and not there", "images": []}
    Scrub.objects.bulk_create(
        Scrub(
            registry=registry,
            state="done",
            verdict="bad",
            requested_by=person,
            started_at=now,
            finished_at=now,
            result={"faults": [fault] * number, "counts": {"missing-blob": number}},
            faults=number,
        )
        for _ in range(number // 30)
    )
    for one in range(number // 30):
        version = policies.create(person, f"{registry.slug} {one}", registry.slug, "delete: [{tag: 'pr-.*'}]")
        policy = policies.activate(person, version)
        PolicyRun.objects.bulk_create(
            PolicyRun(policy=policy, version=version, registry=registry, state="nothing", finished_at=now)
            for _ in range(3)
        )


def _record(people: dict[str, User], entries: int) -> None:
    """Append to the record in bulk, chained as `audit.record` does it."""
    actions = list(audit.Action)
    with transaction.atomic():
        head = AuditHead.objects.get(pk=1)
        rows = []
        for number in range(entries):
            user = people[ROLES[number % 4]]
            entry = AuditEntry(
                id=head.number + 1,
                at=timezone.now(),
                actor_id=user.pk,
                actor_name=user.username,
                action=actions[number % len(actions)],
                object_kind="registry",
                object_id="1",
                label="Main",
                registry="main",
                reason=f"because of reason {number % 1000}",
                data={},
                previous=head.digest,
            )
            entry.digest = audit.entry_digest(entry)
            head.number, head.digest = entry.id, entry.digest
            rows.append(entry)
        AuditEntry.objects.bulk_create(rows, batch_size=1000)
        head.save()
