"""Buckets on a real S3 server of our own process, which can be told to fail; and the registry on top of it."""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import obstore
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from obstore.store import S3Store
from werkzeug.serving import make_server

from tests.servers import Registry

KEY, SECRET, REGION = "the-key-id", "the-secret-key", "us-east-1"

SLOW_DOWN = (
    "503 Slow Down",
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
)
DENIED = ("403 Forbidden", b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")


class Call:
    """One request, as the server sees it: ``kind`` is what the API calls it."""

    def __init__(self, environ: dict) -> None:
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"]
        query = environ["QUERY_STRING"]
        key = self.path.strip("/").partition("/")[2]
        if self.method == "GET" and (not key or "comp=list" in query):
            self.kind = "list"
        elif self.method == "POST" and re.search(r"(^|&)(delete(=|&|$)|comp=batch)", query):
            self.kind = "delete"
        elif self.method == "PUT" and any(name.endswith("_COPY_SOURCE") for name in environ):
            self.kind = "copy"
        else:
            self.kind = "delete-one" if self.method == "DELETE" else self.method.lower()

    @property
    def writes(self) -> bool:
        return self.kind not in ("list", "get", "head")


class Server:
    """A server of objects. ``fault`` sees every request and may answer it itself, with a status and a body."""

    def __init__(self, app: Callable) -> None:
        self.app = app
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = make_server("127.0.0.1", 0, self.answer, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.fault: Callable[[Call], tuple[str, bytes] | None] | None = None
        self.dead: set[str] = set()
        """Users whose process is gone: what they asked for and is still under way, is not done any more."""
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._under_way = 0
        self._idle = threading.Condition(self._lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, environ, start_response):
        call = Call(environ)
        with self._lock:
            self.calls.append(call)
            failed = self.fault(call) if self.fault else None
            if failed is None and any(user in environ.get("HTTP_AUTHORIZATION", "") for user in self.dead):
                failed = DENIED
            self._under_way += failed is None
        if failed is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = failed
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        try:
            return self.app(environ, start_response)
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def settle(self) -> None:
        """Wait until everything that was let through is carried out."""
        with self._idle:
            assert self._idle.wait_for(lambda: self._under_way == 0, 60)

    def counted(self) -> dict[str, int]:
        """How many requests of each kind came since the last time."""
        with self._lock:
            kinds = [call.kind for call in self.calls]
            self.calls = []
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    @contextlib.contextmanager
    def failing(self, fault: Callable[[Call], tuple[str, bytes] | None]) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None


class S3(Server):
    """One that speaks as S3 does."""

    def store(self, bucket: str) -> S3Store:
        """The same by another client, to fill it and to look."""
        return S3Store(
            bucket,
            endpoint=self.url,
            region=REGION,
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    with serving(S3(DomainDispatcherApplication(create_backend_app))) as server:
        yield server


@contextlib.contextmanager
def serving[T: Server](server: T) -> Iterator[T]:
    """Let it answer, and end it."""
    server.thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.thread.join()
        server.server.server_close()


def fill_bucket(store, root: Path) -> None:
    """Put every file below ``root`` into a bucket, under its path."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            obstore.put(store, str(path.relative_to(root)), path.read_bytes(), use_multipart=False)


def objects(store, *, trash: bool = False) -> dict[str, bytes]:
    """Everything in a bucket but the trash: the bytes by key."""
    paths = [one["path"] for page in obstore.list(store) for one in page]
    found = {}
    for path in paths:
        if trash or ".registryui/" not in f"/{path}":
            with contextlib.suppress(FileNotFoundError):  # the mark of a folder
                found[path] = bytes(obstore.get(store, path).bytes())
    return found


class BucketRegistry(Registry):
    """The real docker-registry with its S3 driver."""

    def __init__(self, server: S3, bucket: str, folder: Path, prefix: str = "") -> None:
        super().__init__(Path(bucket), folder)
        # Its SDK gives up on a CA bundle that it is told of there.
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        root = f", rootdirectory: /{prefix}" if prefix else ""
        self.config.write_text(
            f"""version: 0.1
log: {{level: warn}}
storage:
  s3: {{accesskey: {KEY}, secretkey: {SECRET}, region: {REGION}, regionendpoint: "{server.url}", bucket: {bucket},
       secure: false, v4auth: true, chunksize: 5242880{root}}}
  delete: {{enabled: true}}
  redirect: {{disable: true}}
http:
  addr: 127.0.0.1:{self.port}
"""
        )


class InBucket:
    """A bucket with a registry in it, and its SOURCE."""

    def __init__(self, server, name: str) -> None:
        self.server = server
        self.name = name
        self.client = server.client()
        self.client.create_bucket(Bucket=name)
        self.store = server.store(name)

    @property
    def source(self) -> str:
        return f"s3://{self.name}"

    def fill(self, root: Path) -> None:
        fill_bucket(self.store, root)

    def objects(self, *, trash: bool = False) -> dict[str, bytes]:
        """Everything but the trash and the marks of folders, by the server's own memory."""
        found = self._keys.items()
        wanted = {key: one for key, one in found if not key.endswith("/")}
        return {key: one.value for key, one in wanted.items() if trash or ".registryui/" not in f"/{key}"}

    def state(self) -> dict[str, tuple[bytes, Any]]:
        """All that is there, the trash too, and when it was written, to come back to."""
        return {key: (one.value, one.last_modified) for key, one in self._keys.items()}

    def put_back(self, state: dict[str, tuple[bytes, Any]]) -> None:
        """Let it be as it was, times and all."""
        self._keys.clear()
        for key, (body, at) in state.items():
            s3_backends[ACCOUNT]["aws"].put_object(self.name, key, body).last_modified = at

    @property
    def _keys(self) -> Any:
        return s3_backends[ACCOUNT]["aws"].buckets[self.name].keys
