"""Google Cloud Storage, as far as it can be had here: its XML API is that of S3 with other names for the headers.

No emulator of that API exists; here its headers are translated for the S3 server, so that what is seen is how buckets
are addressed, how requests are authorised, and that copies, conditions and deletions are asked for in Google's words.
"""

import time
from urllib.parse import quote, unquote

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.buckets import KEY, REGION
from tests.objects.memory import pulled
from tests.reclaim.conftest import fill
from tests.stores import V2Store

AMAZON = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
)


@pytest.fixture
def google(bucket, tmp_path, monkeypatch):
    """The bucket of the S3 server, spoken to in Google's words; what was said, in ``said``."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-token")
    said = []

    def translate(call):
        environ = call.environ
        if environ.get("HTTP_AUTHORIZATION") != "Bearer a-token":
            return None
        environ["HTTP_AUTHORIZATION"] = AMAZON
        # Google's client writes more as %XX than the server takes for the name of a bucket.
        environ["RAW_URI"] = environ["REQUEST_URI"] = f"{quote(call.path)}?{environ['QUERY_STRING']}"
        said.append((call.method, {name for name in environ if name.startswith("HTTP_X_GOOG")}))
        if source := environ.pop("HTTP_X_GOOG_COPY_SOURCE", None):
            environ["HTTP_X_AMZ_COPY_SOURCE"] = unquote(source)
        if (generation := environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None)) is not None:
            environ["HTTP_IF_NONE_MATCH" if generation == "0" else "HTTP_IF_MATCH"] = "*"
        return None

    plain = bucket.server.app

    def with_generation(environ, start_response):
        def start(status, headers, *more):
            return start_response(status, [*headers, ("x-goog-generation", "1")], *more)

        return plain(environ, start)

    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    bucket.server.app = with_generation
    bucket.said = said
    with bucket.server.failing(translate):
        yield bucket
    bucket.server.app = plain


def test_from_scan_to_undo(google):
    before = google.objects()
    source = f"gs://{google.name}?endpoint={google.server.url}"
    snapshot = open_source(source).scan(configs=False)
    assert (snapshot.source, snapshot.complete) == (source, True)
    assert not any("versions" in problem.what for problem in snapshot.problems)
    request = Request(("team/app:2.0", "multi"), sweep=True, grace=0)
    plan = make_plan(snapshot, request, now=int(time.time()) + 2)
    outcome = apply(open_source(source), plan, stopped="test")
    assert outcome.state == "done", outcome.message
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert pulled(google.objects()) == {key: what for key, what in pulled(before).items() if key not in gone}
    assert restore(open_source(source), outcome.run).state == "done"
    assert google.objects() == before
    assert {method for method, _ in google.said} >= {"DELETE", "GET", "PUT"}
    headers = set().union(*(names for _, names in google.said))
    assert {"HTTP_X_GOOG_COPY_SOURCE", "HTTP_X_GOOG_IF_GENERATION_MATCH"} <= headers
