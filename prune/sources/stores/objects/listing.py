"""Listing a bucket in few requests, several at a time.

A listing that misses a name could cost an image, so a bucket that does not list in the order of names (as those of
S3 Express) is noticed, and then listed from one end to the other.
"""

from collections.abc import Sequence
from itertools import pairwise

from prune.sources.stores.objects.bucket import PAGE, Bucket, Meta, each

#: So many pages are read one after another before a folder is taken to be large.
FIRST_PAGES = 4
#: A large folder is listed in at most about so many stretches at once, each of so many pages or more.
STRETCHES = 16
STRETCH_PAGES = 4
#: So many folders are looked up in one go along the names.
GROUP = 256

type Found = dict[str, Meta]
type Page = list[tuple[str, Meta]]


class Unordered(Exception):
    """The names did not come in their order."""


def list_folder(bucket: Bucket, folder: str) -> Found:
    """Return every object below ``folder``. Raises ``OSError`` when any part of it could not be listed."""
    found: Found = {}
    last = ""
    for number, page in enumerate(bucket.pages(folder), 1):
        found.update(page)
        last = _last(page, last) if bucket.sorts else ""
        if last and number == FIRST_PAGES:
            break
    else:
        return found
    try:
        for more in _stretches(bucket, folder, last):
            found.update(more)
    except Unordered:
        bucket.sorts = False
        return list_folder(bucket, folder)
    return found


def _last(page: Page, before: str) -> str:
    """Return the last name of a page that follows on ``before``; nothing when the names are not in their order."""
    for path, _ in page:
        if path < before:
            return ""
        before = path
    return before


def _stretches(bucket: Bucket, folder: str, last: str) -> list[Found]:
    """List what comes behind ``last`` in stretches between the names of sub-folders."""
    marks = _marks(bucket, folder)
    ends = [end for end in marks if end > last]
    # As many pages as there were up to here, for each mark that they went past.
    pages = FIRST_PAGES * len(ends) // max(1, len(marks) - len(ends))
    stretches = max(1, min(STRETCHES, pages // STRETCH_PAGES))
    bounds = [last, *ends[:: -(-len(ends) // stretches) or 1][1:], ""]
    return each(lambda pair: _stretch(bucket, folder, *pair), list(pairwise(bounds)))


def _marks(bucket: Bucket, folder: str) -> list[str]:
    """Return names by which ``folder`` can be split: of the folders in it or, where they are few, in those."""
    marks = bucket.names(folder)[0]
    while 0 < len(marks) < STRETCHES:
        below = [names for found in each(bucket.names, marks) for names in found[0]]
        if len(below) <= len(marks):
            break
        marks = below
    return sorted(marks)


def _stretch(bucket: Bucket, folder: str, after: str, end: str) -> Found:
    """Return the objects with ``after`` < name <= ``end`` (no end when empty)."""
    found: Found = {}
    last = after
    for page in bucket.pages(folder, after):
        for path, meta in page:
            if path < last:
                raise Unordered
            last = path
            if end and path > end:
                return found
            found[path] = meta
    return found


def list_folders(bucket: Bucket, folders: Sequence[str]) -> Found:
    """Return every object below each of ``folders``: one request answers for many that lie close together."""
    wanted = sorted(set(folders))
    if len(wanted) < 4 or not bucket.sorts:
        return _apart(bucket, wanted)
    groups = [wanted[start : start + GROUP] for start in range(0, len(wanted), GROUP)]
    found: Found = {}
    try:
        for some in each(lambda group: _along(bucket, group), groups):
            found.update(some)
    except Unordered:
        bucket.sorts = False
        return _apart(bucket, wanted)
    return found


def _apart(bucket: Bucket, folders: Sequence[str]) -> Found:
    found: Found = {}
    for some in each(lambda folder: list_folder(bucket, folder), folders):
        found.update(some)
    return found


def _along(bucket: Bucket, folders: Sequence[str]) -> Found:
    """Walk along the names from one wanted folder to the next; page by page, leaping over what is not wanted.

    Where the first pages answer for hardly a folder each, the rest is asked for one by one.
    """
    found: Found = {}
    parent = _common_parent(folders)
    wanted = set(folders)
    # What is in `a` comes behind what is in `a-b`: the slash counts.
    left = sorted(folders, key=lambda folder: folder + "/")
    asked = answered = 0
    while left:
        if asked >= 2 and answered < 2 * asked:
            return found | _apart(bucket, left)
        asked += 1
        page = next(bucket.pages(parent, left[0] + "."), [])
        last = _last(page, left[0])
        if page and not last:
            raise Unordered
        found.update((path, meta) for path, meta in page if _is_in(path, wanted))
        before = len(left)
        # Behind a page that is not full comes nothing; "0" is what comes behind the slash.
        left = [folder for folder in left if folder + "0" > last] if len(page) >= PAGE else []
        if len(left) == before:
            found.update(list_folder(bucket, left.pop(0)))
        answered += before - len(left)
    return found


def _is_in(path: str, folders: set[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in folders:
            return True
    return False


def _common_parent(folders: Sequence[str]) -> str:
    first, last = min(folders).split("/"), max(folders).split("/")
    shared = []
    for one, other in zip(first[:-1], last[:-1], strict=False):
        if one != other:
            break
        shared.append(one)
    return "/".join(shared)
