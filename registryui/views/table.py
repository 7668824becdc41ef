"""Tables over all rows: sorted, searched and paged by the server, with their state in the address."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest

PER_PAGE = 50


class Column(NamedTuple):
    """A column that can be sorted by."""

    name: str
    title: str
    number: bool = False


class Table:
    """One page of a queryset. ``q`` searches, ``sort`` is a column (``-`` for the other way), ``page`` counts."""

    def __init__(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        columns: Mapping[str, Column],
        *,
        search: str = "",
        default: str,
    ) -> None:
        self.columns = columns
        self.q = request.GET.get("q", "").strip()[:200]
        self.total = rows.count()
        if self.q and search:
            rows = rows.filter(**{f"{search}__icontains": self.q})
        sort = request.GET.get("sort", default)
        if sort.removeprefix("-") not in columns:
            sort = default
        self.sort = sort
        field = F(columns[sort.removeprefix("-")].name)
        order = field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
        paginator = Paginator(rows.order_by(order, "pk"), PER_PAGE)
        self.page: Page[Any] = paginator.get_page(request.GET.get("page"))
        self.found = paginator.count

    @property
    def headers(self) -> list[dict[str, object]]:
        """Return what each head needs: where a click leads, and how it is sorted now."""
        shown = []
        for key, column in self.columns.items():
            up, down = self.sort == key, self.sort == f"-{key}"
            following = f"-{key}" if up or (column.number and not down) else key
            shown.append(
                {
                    "title": column.title,
                    "sort": following,
                    "number": column.number,
                    "aria": "ascending" if up else "descending" if down else "none",
                }
            )
        return shown
