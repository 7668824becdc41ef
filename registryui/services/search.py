"""Looking for something in every registry at once: repositories, tags, digests, labels, base images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from prune.model.digest import HEX_LENGTH
from registryui.models import Image, Label, Repository, TagSighting

#: Shown of each kind; the count goes on a little further, and then says "more than".
MOST_SHOWN = 15
MOST_COUNTED = 1000
#: Fewer characters of a digest find too much to be of use.
SHORTEST_DIGEST = 4


class Hits(NamedTuple):
    """What was found of one kind: the first rows, and how many there are (at most ``MOST_COUNTED`` and one)."""

    rows: Sequence[Any] = ()
    found: int = 0

    @property
    def more_than_counted(self) -> bool:
        """Tell whether there are more than were counted."""
        return self.found > MOST_COUNTED


class Found(NamedTuple):
    """Everything that was found."""

    repositories: Hits
    tags: Hits
    images: Hits
    labels: Hits
    bases: Hits

    @property
    def nothing(self) -> bool:
        """Tell whether nothing was."""
        return not any(hits.found for hits in self)


def search(q: str) -> Found:
    """Return what ``q`` finds. ``name:tag`` finds tags of repositories, ``name=value`` labels, and the first digits
    of a digest images; anything else is looked for in names of repositories and tags, and values of labels."""
    repositories = Repository.objects.filter(ended_at=None).select_related("registry")
    tags = TagSighting.objects.filter(ended_at=None).select_related("repository__registry")
    name, colon, tag = q.rpartition(":")
    if colon and name not in HEX_LENGTH:
        named = tags.filter(repository__name__icontains=name, tag__istartswith=tag)
    else:
        named = tags.filter(tag__icontains=q)
    return Found(
        repositories=_hits(repositories.filter(name__icontains=q), "name", "pk"),
        tags=_hits(named, "tag", "pk"),
        images=_images(q),
        labels=_labels(q),
        bases=_hits(
            tags.select_related("image").filter(
                _named(name, tag) if colon else Q(repository__name__icontains=q), image__dependents__gt=0
            ),
            "-image__dependents",
            "pk",
        ),
    )


def _named(name: str, tag: str) -> Q:
    return Q(repository__name__icontains=name, tag__istartswith=tag)


def _images(q: str) -> Hits:
    algorithm, colon, digits = q.lower().rpartition(":")
    if len(digits) < SHORTEST_DIGEST or digits.strip("0123456789abcdef") or (colon and algorithm not in HEX_LENGTH):
        return Hits()
    prefixes = [f"{algorithm}:"] if colon else ["", *(f"{one}:" for one in HEX_LENGTH)]
    match = Q()
    for prefix in prefixes:
        match |= _begins("digest", prefix + digits)
    rows = Image.objects.filter(match, ended_at=None).select_related("registry")
    return _hits(rows, "digest", "pk")


def _labels(q: str) -> Hits:
    name, equals, value = q.partition("=")
    match = Q(name=name.strip()) & _begins("value", value.strip()) if equals else _begins("value", q)
    rows = Label.objects.filter(match, image__ended_at=None).select_related("image__registry")
    return _hits(rows, "value", "pk")


def _begins(field: str, text: str) -> Q:
    """Match what begins with ``text``, so that an index answers: SQLite wants a range for that, and PostgreSQL has
    an index of its own for it, where a range would follow the rules of some language."""
    match = Q(**{f"{field}__startswith": text})
    if connection.vendor == "sqlite" and text:
        match &= Q(**{f"{field}__gte": text, f"{field}__lt": text[:-1] + chr(ord(text[-1]) + 1)})
    return match


def _hits(rows: QuerySet[Any], *order: str) -> Hits:
    return Hits(list(rows.order_by(*order)[:MOST_SHOWN]), rows.order_by()[: MOST_COUNTED + 1].count())
