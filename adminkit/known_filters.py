"""Lists in the admin that refuse filters which they do not understand: they say so, and neither show nor change a row.

Django ignores such filters: it shows all rows, or fails where PostgreSQL refuses the query.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import structlog
from django.contrib import messages
from django.contrib.admin import RelatedFieldListFilter, SimpleListFilter
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import NotRelationField, get_fields_from_path, prepare_lookup_value
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

log = structlog.get_logger(__name__)

_TOLD = 5  # faults of one address, and characters of what was typed
_SHOWN = 60
_REFUSED = (IncorrectLookupParameters, DisallowedModelAdminLookup)


class _SearchForm(ChangeListSearchForm):
    """Django's search form, except that it keeps a NUL: rejecting it would empty the search and list everything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR].validators = []


class CheckedChangeList(ChangeList):
    """A change list that shows no rows if a filter in its URL is invalid; `faults` says why."""

    search_form_class = _SearchForm

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.faults: list[str] = []
        super().__init__(request, *args, **kwargs)

    def get_filters(self, request: HttpRequest) -> Any:
        """Return what Django does; a filter that it hides, having one choice only, still filters."""
        specs, has_filters, remaining, may_repeat, active = super().get_filters(request)
        taken = {name for spec in specs for name in spec.used_parameters} | set(remaining)
        hierarchy = f"{self.date_hierarchy}{LOOKUP_SEP}" if self.date_hierarchy else None
        for name, values in self.get_filters_params().items():
            if name not in taken and not (hierarchy and name.startswith(hierarchy)):
                remaining[name] = prepare_lookup_value(name, values)
        return specs, has_filters, remaining, may_repeat, active

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return the rows; none where something is not understood."""
        if not self.faults:
            self.faults = list(islice(self._faults(request), _TOLD))
        if not self.faults:
            return super().get_queryset(request, exclude_parameters)
        params, text = self.filter_params, self.query
        self.filter_params, self.query = {}, ""
        try:
            return super().get_queryset(request, exclude_parameters).none()
        finally:
            self.filter_params, self.query = params, text

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows: what only PostgreSQL can refuse, such as an invalid regular expression, it refuses here."""
        try:
            with transaction.atomic():
                super().get_results(request)
                len(self.result_list)
        except (OperationalError, InterfaceError):
            raise  # it is away, or too slow
        except IncorrectLookupParameters:
            self._give_up(request, f"There is no page {_shown(request.GET.get(PAGE_VAR, ''))}.")
        except (DatabaseError, ValueError, TypeError, LookupError, ArithmeticError) as exc:
            if not (self.get_filters_params() or self.query):
                raise  # there is no filter that could be wrong
            log.warning("filters-not-understood", query=request.GET.urlencode()[:500], exc_info=exc)
            names = ", ".join(_shown(name) for name in islice(self.get_filters_params(), _TOLD))
            self._give_up(request, f"The filters in the address are not understood: {names or 'the search'}.")

    def _give_up(self, request: HttpRequest, fault: str) -> None:
        self.faults.append(fault)
        self.page_num = 1
        self.queryset = self.get_queryset(request)
        super().get_results(request)

    def _faults(self, request: HttpRequest) -> Iterator[str]:
        """Yield a sentence for each parameter that is not understood."""
        params = dict(request.GET.lists())
        broken = {name for name, values in params.items() if "\0" in f"{name}{''.join(values)}"}
        for name in broken:
            yield f"{_named(name)}: a NUL character is in it, which no text has."
        if broken:
            return
        try:
            super().get_queryset(request)
        except _REFUSED:
            yield from self._refused(request)
            return
        for spec in self.filter_specs:
            yield from _not_offered(spec)
        specs = {name for spec in self.filter_specs for name in spec.used_parameters}
        for name, values in self.get_filters_params().items():
            if name not in specs:
                yield from self._no_choice(name, values)

    def _refused(self, request: HttpRequest) -> Iterator[str]:
        """Try each parameter alone."""
        whole = self.filter_params
        try:
            for name, values in whole.items():
                self.filter_params = {name: values}
                try:
                    super().get_queryset(request)
                except _REFUSED:
                    yield f"{_named(name)} = “{_shown(values[-1])}” is not understood."
        finally:
            self.filter_params = whole

    def _no_choice(self, name: str, values: list[Any]) -> Iterator[str]:
        """Judge the parameter of a column that has a few values only, which no filter of the page has taken."""
        path, _, lookup = name.rpartition(LOOKUP_SEP)
        path, lookup = (path, lookup) if lookup in {"exact", "in"} and path else (name, "exact")
        try:
            choices = get_fields_from_path(self.model, path)[-1].flatchoices
        except (FieldDoesNotExist, NotRelationField, AttributeError):
            return  # another lookup, or a relation
        allowed = [str(choice) for choice, _ in choices]
        given = values[-1].split(",") if lookup == "in" else values
        if allowed and not set(given) <= set(allowed):
            yield _unknown(name, ",".join(given), allowed)


def _not_offered(spec: Any) -> Iterator[str]:
    """Judge what was chosen in a filter of the page. One in which is typed judges that itself: `fault`."""
    if fault := getattr(spec, "fault", ""):
        yield f"{spec.title[:1].upper()}{spec.title[1:]}: {fault}"
        return
    if not isinstance(spec, SimpleListFilter | RelatedFieldListFilter):
        return  # it compares a column, as a parameter without a filter does
    offered = [str(value) for value, _ in spec.lookup_choices]
    if isinstance(spec, SimpleListFilter) and spec.value() and offered != [""] and spec.value() not in offered:
        yield _unknown(str(spec.parameter_name), str(spec.value()), offered)
    given = [str(value) for value in getattr(spec, "lookup_val", None) or ()]
    if isinstance(spec, RelatedFieldListFilter) and not set(given) <= set(offered):
        yield f"{_named(spec.lookup_kwarg)} = “{_shown(','.join(given))}” is none of those that can be chosen."


def _unknown(name: str, value: str, allowed: list[str]) -> str:
    return f"{_named(name)} = “{_shown(value)}” is not understood: it may be {', '.join(allowed)}."


def _named(name: str) -> str:
    return f"Filter {_shown(name)}" if name != SEARCH_VAR else "Search"


def _shown(text: Any) -> str:
    """Return the beginning of what came in an address, without characters that nobody sees."""
    cut = "".join(character if character.isprintable() else "�" for character in str(text)[:_SHOWN])
    return cut + "…" * (len(str(text)) > _SHOWN)


class CheckedFilters:
    """For a ModelAdmin: its list is a CheckedChangeList, and shows a message for each of its faults."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        """Return the class of the list."""
        return CheckedChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, and a message for each fault of its address."""
        answer = super().changelist_view(request, extra_context)  # type: ignore[misc]  # ModelAdmin's
        listed = (getattr(answer, "context_data", None) or {}).get("cl")
        for fault in getattr(listed, "faults", ()):
            messages.error(request, fault)
        return answer
