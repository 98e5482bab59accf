"""Pages of a list that may have a million rows: rows are counted up to a bound that nobody would page to."""

from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet

BOUND = 5000


class BoundedPaginator(Paginator):
    """Counts up to BOUND rows, in the list's own order, so by the index that the list itself is read from."""

    @cached_property
    def _seen(self) -> int:
        rows = self.object_list[: BOUND + 1]
        return rows.count() if isinstance(rows, QuerySet) else len(list(rows))

    @cached_property
    def count(self) -> int:
        """The number of rows, or BOUND if there are more."""
        return min(BOUND, self._seen)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than pages."""
        return self._seen > BOUND
