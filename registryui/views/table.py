"""Tables over all rows: sorted, searched and paged by the server, with their state in the address."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

PER_PAGE = 50


class Column(NamedTuple):
    """A column that can be sorted by. Its title is English here, and translated where it is shown. One of numbers
    begins with the largest and stands right, unless ``words`` are shown for them."""

    name: str
    title: str
    number: bool = False
    words: bool = False


def page_of(rows: QuerySet[Any], request: HttpRequest, *, count: int | None = None) -> Page[Any]:
    """Return the page that the address asks for; nonsense is the first, too far is the last."""
    paginator = Paginator(rows, PER_PAGE)
    if count is not None:
        paginator.count = count
    return paginator.get_page(request.GET.get("page"))


def searched(rows: QuerySet[Any], fields: Sequence[str], q: str) -> QuerySet[Any]:
    """Return the rows that have every word of ``q`` in one of ``fields``."""
    for word in q.split():
        match = Q()
        for field in fields:
            match |= Q(**{f"{field}__icontains": word})
        rows = rows.filter(match)
    return rows


class Table:
    """One page of a queryset. ``q`` searches, ``sort`` is a column (``-`` for the other way), ``page`` counts;
    rows that are alike in the column come in the order of ``ties``, which tell any two apart, so that no page shows a
    row twice."""

    def __init__(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        columns: Mapping[str, Column],
        *,
        search: Sequence[str] = (),
        default: str,
        filters: Mapping[str, Q] | None = None,
        ties: Sequence[str] = ("pk",),
    ) -> None:
        self.columns = columns
        self.q = request.GET.get("q", "").strip()[:200]
        self.only = request.GET.get("only", "") if filters and request.GET.get("only") in filters else ""
        self.total = self.found = rows.count()
        if self.only and filters:
            rows = rows.filter(filters[self.only])
        if self.q and search:
            rows = searched(rows, search, self.q)
        if self.q or self.only:
            self.found = rows.count()
        self.rows = rows
        sort = request.GET.get("sort", default)
        if sort.removeprefix("-") not in columns:
            sort = default
        self.sort = sort
        field = F(columns[sort.removeprefix("-")].name)
        order = field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
        # Sorting keys and then fetching one page of rows is several times faster than sorting whole rows.
        self.page: Page[Any] = page_of(
            rows.order_by(order, *ties).values_list("pk", flat=True), request, count=self.found
        )
        keys = list(self.page.object_list)
        by_key = rows.in_bulk(keys)
        self.shown = [by_key[key] for key in keys if key in by_key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.shown)

    @property
    def headers(self) -> list[dict[str, object]]:
        """Return what each head needs: where a click leads, and how it is sorted now."""
        shown = []
        for key, column in self.columns.items():
            up, down = self.sort == key, self.sort == f"-{key}"
            following = f"-{key}" if up or (column.number and not down) else key
            shown.append(
                {
                    "title": gettext(column.title),
                    "sort": following,
                    "number": column.number and not column.words,
                    "aria": "ascending" if up else "descending" if down else "none",
                }
            )
        return shown
