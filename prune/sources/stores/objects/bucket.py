"""Talking to a bucket: the few calls that are needed, each error as the disk would give it.

Requests that the service answers with 5xx or 429 ("slow down"), and connections that break, are repeated by `obstore`
with a growing pause; what is raised here has been tried often enough.
"""

import asyncio
import errno
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import GCSStore

#: Requests under way at the same time.
PARALLEL = 32
#: Names on a page of a listing: what S3 gives in one answer.
PAGE = 1000
#: S3 copies at most 5 GiB by itself; what is larger is passed through this machine.
MOST_COPIED = 5 * 1024**3
#: Bytes of such an object that are sent in one piece: ten thousand of them are allowed.
PART = 32 << 20
#: S3 deletes at most so many in one request.
DELETED_AT_ONCE = 1000
#: Seconds between tries to delete what a batch left over.
PAUSES = (0.2, 1.0, 5.0)

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")


class Stamp(msgspec.Struct, frozen=True):
    """What tells one writing of an object from the next: its ETag, and the number that some services give each. By
    which of both a condition goes is the service's choice: Google asks for the number, the others for the ETag."""

    tag: str = ""
    version: str = ""


#: The condition that there is no such object yet.
NOTHING = Stamp()


class Meta(msgspec.Struct, frozen=True, gc=False):
    """An object: its size in bytes, its last change in seconds since 1970 (UTC, the service's clock), its ETag. A
    listing knows no ``version``."""

    size: int
    time: int
    tag: str
    version: str = ""

    @property
    def stamp(self) -> Stamp:
        """What a condition on this very writing names."""
        return Stamp(self.tag, self.version)


class Bucket:
    """A bucket below one prefix. ``store`` answers quickly or not at all; ``patient`` waits for large copies."""

    def __init__(self, store: Any, patient: Any, *, sorts: bool, copies_later: bool = False) -> None:
        self._store = store
        self._patient = patient
        self._one_large = threading.Lock()
        self.sorts = sorts
        """Whether listings can begin behind a name, and come in the order of names."""
        self.copies_later = copies_later
        """Whether the service may answer for a copy before it is made: until then an empty object is in its place."""
        self.versioned: bool | None = None
        """Whether the bucket keeps what is overwritten or deleted; ``None`` while no answer has shown it."""

    def pages(self, folder: str, after: str = "") -> Iterator[list[tuple[str, Meta]]]:
        """Yield what lies below ``folder``, behind the name ``after``, as the service pages it."""
        try:
            for page in obstore.list(self._store, folder or None, offset=after or None, chunk_size=PAGE):
                yield [(one["path"], _meta(one)) for one in page]
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None

    def names(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the folders and the objects right in ``folder``, as paths."""
        try:
            found = obstore.list_with_delimiter(self._store, folder or None)
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None
        return list(found["common_prefixes"]), [one["path"] for one in found["objects"]]

    def head(self, path: str) -> Meta:
        """Return what an object is; raise ``FileNotFoundError`` when there is none."""
        try:
            answer = obstore.head(self._store, path)
            self._note_version(answer)
            return _meta(answer)
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None

    def get(self, path: str, limit: int) -> tuple[bytes | None, Meta]:
        """Return an object's bytes, ``None`` in their place when there are more than ``limit``."""
        try:
            answer = obstore.get(self._store, path)
            meta = _meta(answer.meta)
            self._note_version(answer.meta)
            return (None if meta.size > limit else bytes(answer.bytes())), meta
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None

    def chunks(self, path: str) -> Generator[bytes, None, None]:
        """Yield an object's bytes piece by piece."""
        try:
            for chunk in obstore.get(self._patient, path).stream(min_chunk_size=8 << 20):
                yield bytes(chunk)
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None

    def put(self, path: str, body: bytes, *, only: Stamp | None = None) -> Stamp:
        """Write an object whole and return what it is known by now. ``only`` is what must be there before; raises
        ``FileExistsError`` when something else is. A service that does not know conditions writes it in any case."""
        try:
            return self.put_under(path, body, _mode(only))
        except NotImplementedError:
            return self.put_under(path, body, "overwrite")

    def put_under(self, path: str, body: bytes, mode: Any) -> Stamp:
        """Write an object under a condition of `obstore`; raise ``NotImplementedError`` where it is not known."""
        try:
            written = obstore.put(self._store, path, body, mode=mode, use_multipart=False)
        except (BaseError, OSError, ValueError) as error:
            if mode != "overwrite" and _is_not_implemented(error):
                raise NotImplementedError from None
            raise _as_of_disk(error) from None
        self._note_version(written)
        return Stamp(_tag(written), written["version"] or "")

    def copy(self, source: str, target: str, size: int) -> None:
        """Copy an object within the service, or through here when it is too large for that."""
        try:
            if size <= MOST_COPIED:
                obstore.copy(self._patient, source, target)
            else:
                with self._one_large:  # several at once would fill the memory
                    asyncio.run(self._pass_through(source, target))
        except (BaseError, OSError, ValueError) as error:
            raise _as_of_disk(error) from None

    async def _pass_through(self, source: str, target: str) -> None:
        answer = await obstore.get_async(self._patient, source)
        stream = answer.stream(min_chunk_size=PART)
        await obstore.put_async(self._patient, target, stream, chunk_size=PART, max_concurrency=4)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, in as few requests as the service takes. What a batch leaves over is tried again."""
        for start in range(0, len(paths), DELETED_AT_ONCE):
            left = list(paths[start : start + DELETED_AT_ONCE])
            for pause in (*PAUSES, None):
                try:
                    obstore.delete(self._store, left)
                    break
                except FileNotFoundError:
                    left = self.present(left)  # some services mind what is gone already
                except (BaseError, OSError, ValueError) as error:
                    failed = _as_of_disk(error)
                    if pause is None or failed.errno in (errno.EACCES, errno.EINVAL):
                        raise failed from None
                    time.sleep(pause)
                    left = self.present(left)
                if not left:
                    break

    def present(self, paths: Sequence[str]) -> list[str]:
        """Return those of ``paths`` that are there."""

        def there(path: str) -> bool:
            try:
                self.head(path)
            except FileNotFoundError:
                return False
            return True

        return [path for path, found in zip(paths, each(there, paths), strict=True) if found]

    def _note_version(self, answer: Any) -> None:
        # Google numbers every object, whether it keeps the old ones or not.
        version = answer.get("version")
        keeps = bool(version and version != "null" and not isinstance(self._store, GCSStore))
        self.versioned = self.versioned or keeps  # what is older than the setting has no version


def each[T, R](work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``work`` of every item, done at the same time as far as that is polite. The first error is raised when
    all that was begun has ended, and nothing new is begun after it."""
    if len(items) < 2 or PARALLEL < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(PARALLEL, len(items))) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _meta(one: Any) -> Meta:
    return Meta(one["size"], int(one["last_modified"].timestamp()), _tag(one), one["version"] or "")


def _tag(one: Any) -> str:
    """Return an ETag without its quotes: headers have them, listings not everywhere."""
    tag: str = one["e_tag"] or ""
    return tag if tag.startswith("W/") else tag.strip('"')


def _mode(only: Stamp | None) -> Any:
    """Return a condition as `obstore` takes it."""
    if only is None:
        return "overwrite"
    if only == NOTHING:
        return "create"
    tag = only.tag if only.tag.startswith("W/") else f'"{only.tag}"'
    return {"e_tag": tag, "version": only.version} if only.version else {"e_tag": tag}


def _is_not_implemented(error: Exception) -> bool:
    status = _STATUS.search(str(error))
    return isinstance(error, NotSupportedError) or (status is not None and status[1] == "501")


def _as_of_disk(error: Exception) -> OSError:
    """Return an error of `obstore` as one of the system's, in few words: its own hold whole addresses and answers."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    said = " ".join(match[1] for match in (status, code) if match)
    answered = f"the object store answered {said}" if said else "the object store did not answer"
    if code and code[1] in ("NoSuchBucket", "ContainerNotFound"):
        return OSError(errno.ENXIO, "there is no such bucket")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "is not there")
    if isinstance(error, AlreadyExistsError | PreconditionError):
        return FileExistsError(errno.EEXIST, "is there already, or was changed")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or (status and status[1] in ("401", "403")):
        return PermissionError(errno.EACCES, f"{answered}: the credentials do not allow it")
    if isinstance(error, InvalidPathError):
        return OSError(errno.EINVAL, "an object has a name with an empty segment or one of dots")
    if "timed out" in text or "TimedOut" in text:
        return OSError(errno.ETIMEDOUT, "the object store took too long")
    if isinstance(error, OSError) and error.strerror:
        return error
    return OSError(errno.EIO, answered)
