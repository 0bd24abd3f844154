"""Lists of the API: `start`, `limit`, `count`, `data`, and `total` unless it is not wanted."""

from typing import Any

from tests.standin import conditions, query
from tests.standin.clock import Clock
from tests.standin.schema import Database
from tests.standin.store import Store
from tests.standin.values import integer, truth

_DATA = ("ID", "fields", "interests", "modified")


def profiles(
    store: Store, database: Database, parameters: query.Array, clock: Clock, *, heed: bool
) -> dict[str, Any]:
    """Return one page of the profiles that match `fields[]`; unknown conditions are ignored.

    Without `heed` they all are.
    """
    expressions = parameters.get("fields") if heed else None
    items = expressions.values() if isinstance(expressions, dict) else ()
    selection = conditions.optional(items, database, clock)
    start, limit = _window(parameters)
    order = _order(database, parameters)
    window = f"LIMIT {max(limit, 0)} OFFSET {max(start, 0)}" if start >= 0 else "LIMIT 0"
    found = store.select(database, selection, order, window)
    described = [profile.described(database) for profile in found]
    if truth(parameters.get("dataonly")):
        described = [{key: profile[key] for key in _DATA} for profile in described]
    page: dict[str, Any] = {"start": start, "limit": limit, "count": len(found), "data": described}
    if found and order == "id ASC":
        page["nextid"] = found[-1].ID + 1
    if _total_wanted(parameters):
        page["total"] = store.count(database, selection)
    return page


def listed(items: list[dict[str, Any]], parameters: query.Array) -> dict[str, Any]:
    """Return one page of items that are all at hand."""
    start, limit = _window(parameters)
    data = items[start : start + max(limit, 0)] if start >= 0 else []
    page: dict[str, Any] = {"start": start, "limit": limit, "count": len(data), "data": data}
    if _total_wanted(parameters):
        page["total"] = len(items)
    return page


def _window(parameters: query.Array) -> tuple[int, int]:
    return integer(parameters.get("start", "0")), min(integer(parameters.get("limit", "100")), 1000)


def _total_wanted(parameters: query.Array) -> bool:
    return truth(parameters.get("total", "1"))


def _order(database: Database, parameters: query.Array) -> str:
    by = parameters.get("orderby", "id")
    name = by if isinstance(by, str) else "id"
    descending = str(parameters.get("order", "")).lower() in ("desc", "descending")
    direction = "DESC" if descending else "ASC"
    if name == "random":
        return "chance()"
    if name == "modified":
        return f"modified {direction}, id"
    numbered = (field for field in database.fields if str(field.ID) == name)
    field = database.field(name) or next(numbered, None)
    return f"{field.compared} {direction}, id" if field else f"id {direction}"
