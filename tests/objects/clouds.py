"""Google Cloud Storage and Azure Blob Storage, as far as our client asks them: fakes, written for these tests.

No emulator of either can be had as a locked Python package: those there are speak Google's JSON API, which our client
does not, and Azurite needs Node. So these answer the few requests that are made, in the words of the public
references (Google's XML API; the REST API of Blob Storage, version 2019 and later): listings page by page, whole
objects, conditional and plain writes, copies, deletions one by one (Google) or up to 256 in a batch (Azure). Who asks
must show the token, or name the account; signatures are not checked.
"""

import email
import hashlib
import itertools
import threading
import time
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

TOKEN, ACCOUNT, ACCOUNT_KEY = "the-token", "acme", "dGhlIGtleSBvZiBhY21l"
#: Azure takes no more of them in one request.
BATCH = 256


class Object(NamedTuple):
    """What was written, when, and as which writing of all."""

    body: bytes
    written: float
    number: int


class Cloud:
    """One bucket. ``page`` is how many names a listing gives at once."""

    def __init__(self, name: str, page: int = 1000) -> None:
        self.name = name
        self.page = page
        self.objects: dict[str, Object] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @Request.application
    def app(self, request: Request) -> Response:
        with self._lock:
            return self.answer(request)

    def answer(self, request: Request) -> Response:
        raise NotImplementedError

    def contents(self) -> dict[str, bytes]:
        return {key: one.body for key, one in self.objects.items()}

    def write(self, key: str, body: bytes) -> Object:
        self.objects[key] = Object(body, time.time(), next(self._numbers))
        return self.objects[key]

    def listed(self, prefix: str, delimiter: str, after: str) -> tuple[list[str], str]:
        """One page of names, of folders with the delimiter at their end, and behind which name the next begins."""
        names = set()
        for key in self.objects:
            if key.startswith(prefix):
                head, cut, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else ("", "", "")
                names.add(prefix + head + cut if cut else key)
        left = sorted((name for name in names if name > after), key=str.encode)
        return left[: self.page], left[self.page - 1] if len(left) > self.page else ""


def failed(status: int, code: str) -> Response:
    return Response(f"<Error><Code>{code}</Code></Error>", status, content_type="application/xml")


class Google(Cloud):
    """The XML API of Google Cloud Storage: ETags are MD5, conditions go by generations."""

    def headers(self, one: Object) -> dict[str, str]:
        return {
            "ETag": f'"{hashlib.md5(one.body, usedforsecurity=False).hexdigest()}"',
            "x-goog-generation": str(one.number),
            "Last-Modified": formatdate(one.written, usegmt=True),
        }

    def answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return failed(401, "AuthenticationRequired")
        bucket, _, key = request.path.lstrip("/").partition("/")
        if bucket != self.name:
            return failed(404, "NoSuchBucket")
        if not key:
            return self.list(request)
        there = self.objects.get(key)
        if request.method == "PUT":
            return self.put(request, key)
        if there is None:
            return failed(404, "NoSuchKey")
        if request.method == "DELETE":
            del self.objects[key]
            return Response(status=204)
        return Response(there.body, headers=self.headers(there), content_type="application/octet-stream")

    def put(self, request: Request, key: str) -> Response:
        there = self.objects.get(key)
        only = request.headers.get("x-goog-if-generation-match")
        if only is not None and int(only) != (there.number if there else 0):
            return failed(412, "PreconditionFailed")
        body = request.get_data()
        if source := request.headers.get("x-goog-copy-source"):
            bucket, _, path = unquote(source).partition("/")
            if bucket != self.name or path not in self.objects:
                return failed(404, "NoSuchKey")
            body = self.objects[path].body
        return Response(headers=self.headers(self.write(key, body)))

    def list(self, request: Request) -> Response:
        asked = request.args
        after = asked.get("continuation-token") or asked.get("start-after", "")
        names, rest = self.listed(asked.get("prefix", ""), asked.get("delimiter", ""), after)
        body = f"<IsTruncated>{str(bool(rest)).lower()}</IsTruncated>"
        body += f"<NextContinuationToken>{escape(rest)}</NextContinuationToken>" if rest else ""
        folders = ""
        for name in names:
            if (one := self.objects.get(name)) is None:
                folders += f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
                continue
            at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(one.written))
            body += (
                f"<Contents><Key>{escape(name)}</Key><Generation>{one.number}</Generation><LastModified>{at}"
                f"</LastModified><ETag>{escape(self.headers(one)['ETag'])}</ETag><Size>{len(one.body)}</Size></Contents>"
            )
        return Response(f"<ListBucketResult>{body}{folders}</ListBucketResult>", content_type="application/xml")


class Azure(Cloud):
    """The REST API of Azure Blob Storage, with the account in the path: ETags say nothing about the bytes.

    A copy need not be done when it is answered for: with ``pending`` set, the blob is there and empty for so many
    requests more."""

    pending = 0

    def __init__(self, name: str, page: int = 1000) -> None:
        super().__init__(name, page)
        self.under_way: list[tuple[str, bytes]] = []
        self._left = 0

    def headers(self, one: Object) -> dict[str, str]:
        return {"ETag": f'"0x{one.number:016X}"', "Last-Modified": formatdate(one.written, usegmt=True)}

    def answer(self, request: Request) -> Response:
        self.arrive()
        if not request.headers.get("Authorization", "").startswith(f"SharedKey {ACCOUNT}:"):
            return failed(403, "AuthenticationFailed")
        account, _, rest = request.path.lstrip("/").partition("/")
        container, _, key = rest.partition("/")
        if (account, container) != (ACCOUNT, self.name):
            return failed(404, "ContainerNotFound")
        match request.method, request.args.get("comp"):
            case "GET", "list":
                return self.list(request)
            case "POST", "batch":
                return self.batch(request)
            case "PUT", None:
                return self.put(request, key)
        there = self.objects.get(key)
        if there is None:
            return failed(404, "BlobNotFound")
        return Response(there.body, headers=self.headers(there), content_type="application/octet-stream")

    def arrive(self) -> None:
        self._left -= 1
        if self._left <= 0:
            for key, body in self.under_way:
                self.write(key, body)
            self.under_way = []

    def put(self, request: Request, key: str) -> Response:
        there = self.objects.get(key)
        if request.headers.get("If-None-Match") == "*" and there:
            return failed(409, "BlobAlreadyExists")
        only = request.headers.get("If-Match")
        if only is not None and (there is None or only != self.headers(there)["ETag"]):
            return failed(412, "ConditionNotMet")
        if source := request.headers.get("x-ms-copy-source"):
            path = self.key_of(urlsplit(source).path)
            if path not in self.objects:
                return failed(404, "BlobNotFound")
            body = self.objects[path].body
            if self.pending:
                self.under_way.append((key, body))
                self._left = self.pending
                body = b""
            state = "pending" if self.pending else "success"
            return Response(status=202, headers=self.headers(self.write(key, body)) | {"x-ms-copy-status": state})
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            return failed(400, "InvalidHeaderValue")
        return Response(status=201, headers=self.headers(self.write(key, request.get_data())))

    def key_of(self, path: str) -> str:
        return unquote(path).removeprefix(f"/{ACCOUNT}/{self.name}/")

    def batch(self, request: Request) -> Response:
        kind = request.headers["Content-Type"]
        parts = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.get_data()).get_payload()
        if len(parts) > BATCH:
            return failed(400, "InvalidInput")
        answers = ""
        for part in parts:
            method, path, _ = part.get_payload().split("\r\n", 1)[0].split(" ")
            assert method == "DELETE"
            gone = self.objects.pop(self.key_of(path), None)
            said = "202 Accepted" if gone else "404 The specified blob does not exist."
            answers += (
                f"--answers\r\nContent-Type: application/http\r\nContent-ID: {part['Content-ID']}\r\n\r\n"
                f"HTTP/1.1 {said}\r\nx-ms-version: 2019-12-12\r\n\r\n"
            )
        return Response(f"{answers}--answers--\r\n", 202, content_type="multipart/mixed; boundary=answers")

    def list(self, request: Request) -> Response:
        asked = request.args
        names, rest = self.listed(asked.get("prefix", ""), asked.get("delimiter", ""), asked.get("marker", ""))
        body = ""
        for name in names:
            if (one := self.objects.get(name)) is None:
                body += f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
                continue
            headers = self.headers(one)
            body += (
                f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{headers['Last-Modified']}"
                f"</Last-Modified><Etag>{headers['ETag'].strip(chr(34))}</Etag><Content-Length>{len(one.body)}"
                "</Content-Length><Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
            )
        return Response(
            f"<EnumerationResults><Blobs>{body}</Blobs><NextMarker>{escape(rest)}</NextMarker></EnumerationResults>",
            content_type="application/xml",
        )
