"""A registry that keeps what it knows of blobs in a real Redis: after a cleanup it does not lie."""

import contextlib
import subprocess
import time

import pytest
from redis import Redis
from redis.exceptions import RedisError

from prune.cli import main
from prune.model.errors import SourceError, UsageError
from prune.reclaim.control.base import Stated
from prune.reclaim.control.cache import Clearing, RedisCache
from tests.control.conftest import fill_by_pushes, plan_for
from tests.servers import free_port, registry

PASSWORD = "between-us"


@pytest.fixture
def redis(tmp_path):
    """A server with a password and one key that is not the registry's."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    command += ["--requirepass", PASSWORD]
    with (tmp_path / "redis.log").open("wb") as log, subprocess.Popen(command, stdout=log) as process:
        try:
            with Redis("127.0.0.1", port, db=3, password=PASSWORD) as client:
                for _ in range(200):
                    with contextlib.suppress(RedisError):
                        client.ping()
                        break
                    time.sleep(0.05)
                client.set("somebody:else", "1")
                client.url = f"redis://127.0.0.1:{port}/3"
                yield client
        finally:
            process.terminate()


@pytest.fixture
def served(tmp_path, redis):
    """A registry whose blob descriptors are in that Redis."""
    address = redis.url.partition("://")[2].partition("/")[0]
    extra = f"redis: {{addr: '{address}', password: {PASSWORD}, db: 3}}\n"
    with registry(tmp_path / "store", tmp_path, extra=extra) as server:
        server.stop()
        text = server.config.read_text()
        server.config.write_text(text.replace("  delete:", "  cache: {blobdescriptor: redis}\n  delete:"))
        server.start()
        server.before = fill_by_pushes(server, tmp_path)
        yield server


@pytest.mark.real
def test_it_does_not_claim_to_have_what_is_gone(served, redis, tmp_path, monkeypatch, capsys):
    _, plan = plan_for(f"storage:{served.root}", "team/app:2.0")
    known = {key.decode() for key in redis.scan_iter()}
    assert any(key.startswith("blobs::") for key in known)
    assert any(key.startswith("repository::team/app::blobs") for key in known)
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    monkeypatch.setenv("PRUNE_REDIS_PASSWORD", PASSWORD)
    gone = next(blob.digest for blob in plan.delete.blobs if blob.size > 1000)
    # What happens without: the registry says that it has a blob, and a push that believes it is broken for ever.
    arguments = ["apply", plan.source, str(file), "--yes", "--registry-stopped", "nobody pushes in this test"]
    assert main(arguments) == 0
    assert "Restart the registry if it keeps a cache" in capsys.readouterr().err
    assert served.request("HEAD", f"/v2/team/app/blobs/{gone}")[0] == 200
    assert main(["restore", plan.source, next((served.root / ".registryui/runs").iterdir()).name]) == 0
    assert main([*arguments, "--flush-redis", redis.url]) == 0
    assert served.request("HEAD", f"/v2/team/app/blobs/{gone}")[0] == 404
    assert redis.get("somebody:else") == b"1"
    assert served.pull_all() == {key: what for key, what in served.before.items() if key[1] != "2.0"}


@pytest.mark.real
def test_one_that_cannot_be_reached_keeps_no_registry_from_coming_back(redis):
    for url, password in ((redis.url, "wrong"), (f"redis://127.0.0.1:{free_port()}", "")):
        cache = RedisCache(url, password, timeout=2)
        with pytest.raises(SourceError, match="could not be used"):
            cache.test()
        control = Clearing(Stated("a test"), cache)
        control.give_back({})
        assert "by hand" in control.problem
    assert RedisCache(redis.url, PASSWORD).test().endswith("answers.")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "http://host",
        "redis://",
        "redis://host/x",
        "redis://host:port/1",
        "redis://u:secret@host/1",
        "http://u:secret@host",
    ],
)
def test_bad_addresses_are_wrong_use_and_show_no_password(url):
    with pytest.raises(UsageError) as error:
        RedisCache(url)
    assert "secret" not in str(error.value)
