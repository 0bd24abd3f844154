"""The last look at an event before anything is sent: its names and values against the catalogue.

Pure. What passes is written as the API itself would write it: names in the catalogue's case,
values in canonical form, the database by its id.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from service.catalogue import Catalogue, Field, canonical, nearest
from service.conditions import EQUAL, MODIFIED, Condition, after_update, selection_key
from service.events import InvalidEvent, ProfileUpdate, differing
from service.values import shortened

_LONGEST_NAME = 200  # letters; to look for one like a longer one takes too long
_LIKE = ("=~", "!~")
_OPAQUE = frozenset({"phone", "phone_fax", "phone_gsm", "foreign_key"})  # what they keep is unknown
_EXACT = frozenset({"select"})  # compared letter by letter; other text in any case


MOST_FOR_ONE = 10  # profiles, where one was expected: more than duplicates explain


class UnknownName(InvalidEvent):
    """A `name` that the catalogue does not have; a newer one may."""

    def __init__(self, detail: str, name: str) -> None:
        super().__init__("unknown-field", detail)
        self.name = name


def check_database(update: ProfileUpdate, allowed: Collection[str]) -> None:
    """Refuse an event for a database that is not among those allowed, as events write them.

    Raises:
        InvalidEvent: `allowed` has names or ids, in lower case, and not this one.
    """
    if allowed and update.database.casefold() not in allowed:
        raise InvalidEvent(
            "database-not-allowed", f"DATABASES does not name {update.database}: nothing is written"
        )


def guard(
    update: ProfileUpdate, catalogue: Catalogue, zone: ZoneInfo, *, values: bool = True
) -> ProfileUpdate:
    """Check an update against its database, and give it in canonical form.

    Args:
        update: as it was parsed.
        catalogue: of its database.
        zone: the wall time of the account's dates.
        values: False looks at names, and at the values that select.

    Raises:
        UnknownName: a field or an interest does not exist.
        InvalidEvent: a value does not fit its field.
    """
    conditions = tuple(_condition(one, catalogue, zone) for one in update.conditions)
    if update.expect == "one":
        _refuse_zero(conditions, catalogue)
    if update.create:
        _refuse_opaque(conditions, catalogue)
    fields = _fields(update, catalogue, zone, values=values)
    if update.create and values:
        _refuse_differing(conditions, fields)
    return replace(
        update,
        database=catalogue.database,
        conditions=conditions,
        fields=fields,
        interests=_interests(update, catalogue),
        key=selection_key(catalogue.database, conditions),
        moves=any(_moves(condition, fields, catalogue) for condition in conditions),
        opaque=frozenset(
            condition.field
            for condition in conditions
            if (field := catalogue.field(condition.field)) and field.type in _OPAQUE
        ),
    )


def _fields(
    update: ProfileUpdate, catalogue: Catalogue, zone: ZoneInfo, *, values: bool
) -> dict[str, str]:
    fields = {}
    for name, value in update.fields.items():
        field = catalogue.field(name)
        if field is None:
            raise _unknown("fields", name, "field", {f.name for f in catalogue.fields.values()})
        fields[field.name] = _fitting(f"fields.{name}", field, value, zone) if values else value
    return fields


def _interests(update: ProfileUpdate, catalogue: Catalogue) -> dict[str, bool]:
    interests = {}
    for name, on in update.interests.items():
        known = catalogue.interest(name)
        if known is None:
            raise _unknown("interests", name, "interest", set(catalogue.interests.values()))
        interests[known] = on
    return interests


def _refuse_differing(conditions: tuple[Condition, ...], fields: Mapping[str, str]) -> None:
    for condition in conditions:
        if fields.get(condition.field, condition.value) != condition.value:
            raise InvalidEvent("invalid-event", differing(condition.field))


def _condition(condition: Condition, catalogue: Catalogue, zone: ZoneInfo) -> Condition:
    field = catalogue.selectable(condition.field)
    if field is None:
        known = {f.name for f in catalogue.fields.values()} | {"id", "code", "modified"}
        raise _unknown("where", condition.field, "field", known)
    value = condition.value
    if condition.operator not in _LIKE and value:
        value = _fitting(f"where.{condition.field}", field, value, zone)
        if not value:
            raise InvalidEvent(
                "unsafe-selection",
                f"where.{condition.field}: this date selects every profile without one",
            )
    return Condition(field.name, condition.operator, value)


def _refuse_zero(conditions: tuple[Condition, ...], catalogue: Catalogue) -> None:
    for condition in conditions:
        field = catalogue.field(condition.field)
        if condition.value == "0" and field and field.type in ("integer", "float"):
            raise InvalidEvent(
                "unsafe-selection",
                f"where.{condition.field}: 0 selects every profile without a number; "
                'set "expect": "many" if that is meant',
            )


def _refuse_opaque(conditions: tuple[Condition, ...], catalogue: Catalogue) -> None:
    for condition in conditions:
        field = catalogue.field(condition.field)
        if field is not None and field.type in _OPAQUE:
            raise InvalidEvent(
                "unsafe-selection",
                f"where.{condition.field} ({field.type}): the API may keep another form of it, and "
                "would not find the new profile again: no create",
            )


def _fitting(place: str, field: Field, value: str, zone: ZoneInfo) -> str:
    try:
        return canonical(field, value, zone)
    except ValueError as error:
        raise InvalidEvent("invalid-value", f"{place} ({field.type}): {error}") from None


def _unknown(place: str, name: str, what: str, known: set[str]) -> UnknownName:
    near = nearest(name, frozenset(known)) if len(name) <= _LONGEST_NAME else ""
    shown = shortened(name)
    return UnknownName(f"{place}.{shown}: there is no such {what}{near}", f"{what} {name}")


def _moves(condition: Condition, fields: Mapping[str, str], catalogue: Catalogue) -> bool:
    if condition.field == MODIFIED and catalogue.field(MODIFIED) is None:
        return True
    value = fields.get(condition.field, condition.value)
    if condition.operator != EQUAL:
        return value != condition.value
    field = catalogue.field(condition.field)
    if field is not None and field.type in _EXACT:
        return value != condition.value
    return value.casefold() != condition.value.casefold()


def crowd(update: ProfileUpdate, profiles: Collection[object]) -> str | None:
    """Say so if an update that expects one profile finds a crowd."""
    if update.expect == "many" or len(profiles) <= MOST_FOR_ONE:
        return None
    names = ", ".join(condition.field for condition in update.conditions)
    return (
        f"where.{names}: over {MOST_FOR_ONE} profiles have this, where one is expected; select by "
        'what is unique, or set "expect": "many"'
    )


def strange(
    update: ProfileUpdate, profiles: tuple[Mapping[str, Any], ...], *, values: bool = True
) -> str | None:
    """Say what is wrong with the profiles that an update is said to have touched.

    They must carry what was asked for: an API that heeds no selection shows others. Without
    `values` nobody has checked that those of the update are kept as they are.
    """
    for condition in after_update(update.conditions, update.fields) or () if values else ():
        if condition.operator == EQUAL and condition.value and condition.field not in update.opaque:
            found = (_value_of(profile, condition.field) for profile in profiles)
            if any(not _same(value, condition.value) for value in found if value is not None):
                return f"a profile came that does not have the {condition.field} asked for"
    return None


def _value_of(profile: Mapping[str, Any], name: str) -> str | None:
    """Read a value of a profile by a field's name; None if the profile does not tell."""
    fields = profile.get("fields")
    if isinstance(fields, Mapping):
        for known, value in fields.items():
            if known.casefold() == name.casefold():
                return str(value)
    special = {"id": "ID", "code": "secret"}.get(name.casefold(), "")
    return str(profile[special]) if special in profile else None


def _same(value: str, wanted: str) -> bool:
    """Compare as a database does at its loosest: letters in any case, without accents."""
    if not (value.isascii() and wanted.isascii()):
        return True  # Which other letters a database takes for the same, nobody knows.
    if value.casefold().rstrip() == wanted.casefold().rstrip():
        return True
    try:
        return Decimal(value) == Decimal(wanted)
    except InvalidOperation:
        return False
