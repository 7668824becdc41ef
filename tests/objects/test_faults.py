"""An S3 server that is overloaded, does half of what it was asked, breaks off, or sees its client killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from io import BytesIO

import pytest

from prune.cli import main
from prune.model.errors import Refused
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.buckets import DENIED, SLOW_DOWN
from tests.objects.memory import pulled
from tests.reclaim.conftest import fill
from tests.stores import V2Store

REFS = ("team/app:2.0", "team/app:1.0", "multi")


@pytest.fixture
def filled(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PAUSES", (0.01, 0.01, 0.01))
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    bucket.before = bucket.objects()
    return bucket


def plan_for(bucket):
    request = Request(REFS, sweep=True, grace=0)
    plan = make_plan(open_source(bucket.source).scan(configs=False), request, now=int(time.time()) + 2)
    assert plan.delete.blobs
    return plan


def kept(bucket, plan):
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    return {key: what for key, what in pulled(bucket.before).items() if key not in gone}


def test_an_overloaded_service_is_asked_again(filled):
    plan = plan_for(filled)
    count = iter(range(1_000_000))
    with filled.server.failing(lambda call: SLOW_DOWN if next(count) % 3 == 1 else None):
        outcome = apply(open_source(filled.source), plan, stopped="test")
    assert outcome.state == "done"
    assert pulled(filled.objects()) == kept(filled, plan)
    assert restore(open_source(filled.source), outcome.run).state == "done"
    assert filled.objects() == filled.before


def test_an_overload_that_does_not_end_loses_nothing(filled, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.open.RETRIES", 1)
    plan = plan_for(filled)
    copies = iter(range(1_000_000))
    overload = lambda call: SLOW_DOWN if call.kind == "copy" and next(copies) > 10 else None  # noqa: E731
    with filled.server.failing(overload):
        outcome = apply(open_source(filled.source), plan, stopped="test")
    assert outcome.state == "failed"
    assert "503 SlowDown" in outcome.message
    assert "Nothing is lost" in outcome.message
    assert pulled(filled.objects()).items() >= kept(filled, plan).items()
    resumed = apply(open_source(filled.source), plan, stopped="test")
    assert resumed.state == "done"
    assert pulled(filled.objects()) == kept(filled, plan)
    assert restore(open_source(filled.source), resumed.run).state == "done"
    assert filled.objects() == filled.before


def half_done(server):
    """Answer batches as a busy service does: the first half is deleted, the rest is an error each."""

    def fault(call):
        if call.kind != "delete":
            return None
        body = call.environ["wsgi.input"].read(int(call.environ["CONTENT_LENGTH"]))
        keys = re.findall(rb"<Object>.*?</Object>", body, re.DOTALL)
        first, rest = keys[: len(keys) // 2], keys[len(keys) // 2 :]
        for name in [name for name in call.environ if "MD5" in name or "CHECKSUM" in name]:
            del call.environ[name]
        if first:
            some = b"<Delete>" + b"".join(first) + b"</Delete>"
            again = {**call.environ, "wsgi.input": BytesIO(some), "CONTENT_LENGTH": str(len(some))}
            b"".join(server.app(again, lambda status, headers: None))
        call.environ["wsgi.input"], call.environ["CONTENT_LENGTH"] = BytesIO(), "0"
        errors = b"".join(
            b"<Error><Key>%s</Key><Code>SlowDown</Code><Message>busy</Message></Error>"
            % re.findall(b"<Key>(.*)</Key>", k)[0]
            for k in rest
        )
        return "200 OK", b"<DeleteResult>%s</DeleteResult>" % errors

    return fault


def test_what_a_batch_leaves_over_is_deleted_again(filled):
    plan = plan_for(filled)
    failing = [half_done(filled.server)] * 2
    with filled.server.failing(lambda call: failing.pop()(call) if call.kind == "delete" and failing else None):
        outcome = apply(open_source(filled.source), plan, stopped="test")
    assert not failing
    assert outcome.state == "done"
    assert pulled(filled.objects()) == kept(filled, plan)
    assert restore(open_source(filled.source), outcome.run).state == "done"
    assert filled.objects() == filled.before


def test_batches_that_never_succeed_lose_nothing(filled):
    plan = plan_for(filled)
    with filled.server.failing(lambda call: DENIED if call.kind == "delete" else None):
        outcome = apply(open_source(filled.source), plan, stopped="test")
    assert outcome.state == "failed"
    assert "credentials do not allow it" in outcome.message
    assert filled.objects() == filled.before
    assert apply(open_source(filled.source), plan, stopped="test").state == "done"
    assert pulled(filled.objects()) == kept(filled, plan)


@pytest.mark.parametrize(
    "answer",
    [SLOW_DOWN, DENIED, ("200 OK", b"<ListBucketResult><IsTruncated>false</IsTrun"), ("200 OK", b"")],
    ids=["slow", "denied", "cut", "empty"],
)
def test_a_listing_that_breaks_off_makes_nothing_deletable(filled, monkeypatch, capsys, answer):
    monkeypatch.setattr("prune.sources.stores.objects.open.RETRIES", 1)
    plan = plan_for(filled)
    for wanted in ("repositories", "blobs"):

        def lost(call, wanted=f"v2%2F{wanted}"):
            return answer if call.kind == "list" and wanted in call.environ["QUERY_STRING"] else None

        with filled.server.failing(lost):
            assert main(["scan", filled.source, "--json"]) == 3
            scan = json.loads(capsys.readouterr().out)
            assert not scan["complete"]
            assert main(["plan", filled.source, "--sweep", "--grace", "0s", "--json"]) == 3
            planned = json.loads(capsys.readouterr().out)
            assert not any(planned["delete"].values())
            source = open_source(filled.source)
            with pytest.raises(Refused, match="nothing was done"):
                apply(source, plan, stopped="test")
        assert filled.objects() == filled.before


def test_killed_at_some_writes_and_resumed_at_once(filled, tmp_path):
    """`kill -9` of the real command: its lock is seen to be without a process, and taken over."""
    plan = plan_for(filled)
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    command = [
        sys.executable,
        "-m",
        "prune.cli",
        "apply",
        filled.source,
        str(file),
        "--yes",
        "--registry-stopped",
        "x",
    ]
    for number in (1, 12, 40):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=os.getcwd())
        writes = iter(range(1_000_000))

        def deadly(call, process=process, writes=writes, number=number):
            if call.writes and next(writes) >= number:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                return DENIED
            return None

        with filled.server.failing(deadly):
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert pulled(filled.objects()).items() >= kept(filled, plan).items()
        outcome = apply(open_source(filled.source), plan, stopped="test")
        assert outcome.state == "done"
        assert pulled(filled.objects()) == kept(filled, plan)
        assert restore(open_source(filled.source), outcome.run).state == "done"
        assert filled.objects() == filled.before
