"""What refers to an image without a tag of its own: a registry lists it (OCI 1.1), and it is seen and goes with it.

No registry that tests can start lists referrers, so this one is ours: it answers as the specification says.
"""

import hashlib
import json

import pytest
from aiohttp import web

from prune.model.manifest import OCI_INDEX, OCI_MANIFEST
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.sources.open import open_source
from prune.sources.registry_v2 import reading
from tests.http.misbehaving import Misbehaving


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Listing(Misbehaving):
    """Lists referrers, ``size`` on a page, and deletes tags by name. It denies the first ``refuses`` lists that it is
    asked for, and those of the digests ``refused``."""

    def __init__(self) -> None:
        super().__init__()
        self.hook = self.answer
        self.tag_delete = True
        self.by_digest: dict[str, bytes] = {}
        self.refused: set[str] = set()
        self.refuses = 0
        self.size = 100
        self.asked = 0

    def image(self, repo: str, tag: str) -> bytes:
        body = super().image(repo, tag)
        self.by_digest[digest_of(body)] = body
        return body

    def sign(self, subject: bytes, name: str) -> str:
        """Attach something to an image; return its digest."""
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": "application/vnd.example.signature",
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
                "layers": [],
                "subject": {"mediaType": OCI_MANIFEST, "digest": digest_of(subject), "size": len(subject)},
                "annotations": {"name": name},
            }
        ).encode()
        self.by_digest[digest_of(body)] = body
        return digest_of(body)

    def answer(self, request: web.Request) -> web.StreamResponse | None:
        repo, _, digest = request.path[len("/v2/") :].partition("/referrers/")
        if digest:
            return self.referrers(request, repo, digest)
        digest = request.path.rpartition("/manifests/")[2]
        if digest in self.by_digest:
            if request.method == "DELETE":
                body = self.by_digest.pop(digest)
                for tags in self.repositories.values():
                    for tag in [tag for tag, one in tags.items() if one == body]:
                        del tags[tag]
                return web.Response(status=202)
            body = self.by_digest[digest]
            kind = json.loads(body)["mediaType"]
            return web.Response(body=body, content_type=kind, headers={"Docker-Content-Digest": digest})
        return None

    def referrers(self, request: web.Request, repo: str, digest: str) -> web.StreamResponse:
        self.asked += 1
        if digest in self.refused or self.refuses:
            self.refuses = max(0, self.refuses - 1)
            return web.json_response({"errors": []}, status=404)
        subjects = {one: json.loads(body).get("subject", {}) for one, body in self.by_digest.items()}
        found = sorted(one for one, subject in subjects.items() if subject.get("digest") == digest)
        begin = int(request.query.get("from", 0))
        page = found[begin : begin + self.size]
        index = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {"mediaType": OCI_MANIFEST, "digest": one, "size": len(self.by_digest[one])} for one in page
            ],
        }
        more = begin + self.size < len(found)
        link = {"Link": f'</v2/{repo}/referrers/{digest}?from={begin + self.size}>; rel="next"'} if more else {}
        return web.Response(body=json.dumps(index).encode(), content_type=OCI_INDEX, headers=link)


@pytest.fixture
def server():
    made = Listing()
    made.start()
    yield made
    made.stop()


def scan(server, **options):
    return open_source(server.url, **options).scan(configs=False)


def test_what_refers_to_an_image_is_seen_and_goes_with_it(server):
    image = server.image("app", "1")
    other = server.image("app", "2")
    signatures = {server.sign(image, "signature"), server.sign(image, "bill of materials")}
    kept = server.sign(other, "signature")
    attestation = server.sign(server.by_digest[min(signatures)], "of a signature")
    server.size = 1  # two pages
    source = open_source(server.url)
    snapshot = source.scan(configs=False)
    assert snapshot.complete
    assert snapshot.repositories["app"].revisions.keys() == {
        digest_of(image), digest_of(other), *signatures, kept, attestation,
    }  # fmt: skip
    plan = make_plan(snapshot, Request(("app:1",)), now=2_000_000_000)
    assert {item.digest for item in plan.delete.manifests} == {digest_of(image), *signatures, attestation}
    assert apply(source, plan, stopped="").state == "done"
    assert server.by_digest.keys() == {digest_of(other), kept}
    assert server.repositories["app"] == {"2": other}


def test_an_image_that_was_signed_meanwhile_stays(server):
    image = server.image("app", "1")
    server.image("app", "2")
    server.sign(image, "signature")
    plan = make_plan(scan(server), Request(("app:1",)), now=2_000_000_000)
    server.sign(image, "somebody else's")
    outcome = apply(open_source(server.url), plan, stopped="")
    assert outcome.state == "partial"
    why = {one.item: one.reason for one in outcome.skipped}
    assert why[f"app@{digest_of(image)}"] == "another manifest refers to it now"
    assert [path for method, path, _ in server.requests if method == "DELETE"] == ["/v2/app/manifests/1"]
    assert len(server.by_digest) == 4


def test_a_registry_that_lists_none_is_asked_a_few_times(server):
    for number in range(40):
        server.image(f"app{number % 4}", str(number))
    server.refuses = 1000
    snapshot = scan(server, concurrency=1)
    assert snapshot.complete
    assert reading.REFUSALS <= server.asked <= reading.REFUSALS + reading.REPOSITORIES_AT_ONCE


@pytest.mark.parametrize("refuses", [1, reading.REFUSALS - 1])
def test_one_that_first_denied_to_list_any_has_hidden_something(server, refuses):
    """The manifest was deleted a moment ago, say: that tells nothing of the others."""
    images = [server.image(f"app{number}", "1") for number in range(6)]
    signatures = [server.sign(image, "signature") for image in images]
    server.refuses = refuses
    snapshot = scan(server, concurrency=1)
    hidden = {name for name, one in snapshot.repositories.items() if not one.complete}
    assert len(hidden) == refuses
    assert all("(referrers)" in problem.where for problem in snapshot.problems)
    seen = {digest for repository in snapshot.repositories.values() for digest in repository.revisions}
    assert len(seen & set(signatures)) == 6 - refuses
    plan = make_plan(snapshot, Request((f"{min(hidden)}:1",)), now=2_000_000_000)
    assert plan.is_empty()


def test_one_that_lists_all_but_one_blocks_that_repository(server):
    image = server.image("app", "1")
    server.image("fine", "1")
    server.image("another", "1")
    server.refused = {digest_of(image)}
    snapshot = scan(server, concurrency=1)
    assert {name for name, one in snapshot.repositories.items() if not one.complete} == {"app"}
