"""The catalogues of databases: read from the API when needed, and kept for a while."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.catalogue import Catalogue, Field, catalogue
from service.copernica import Copernica
from service.outcomes import Refused, Retry, listed
from service.profiles import PAGE, Call, get_database, get_fields, get_interests

# What the API makes of a random value is known of these: it stays what it is.
_PROVABLE = frozenset({"integer", "text", "email", "big"})

Listed = tuple[Mapping[str, Any], ...]

_LACKED = 10.0  # seconds in which a name that was not there is not asked for again
_LACKED_AT_MOST = 1000  # names that are remembered for it


@dataclass(slots=True)
class Known:
    """What is known of a database: its catalogue, asked for at `since`, to be used until `until`.

    Both are monotonic, in seconds. `proven` names the fields whose conditions the API has been seen
    to heed, `lacked` what events have named and the catalogue does not have.
    """

    catalogue: Catalogue
    since: float
    until: float
    proven: set[str] = field(default_factory=set)
    lacked: set[str] = field(default_factory=set)

    def may_be_new(self, name: str, received: float) -> bool:
        """Tell whether a newer catalogue may have a name, which an event received then has."""
        if received <= self.since:
            if len(self.lacked) >= _LACKED_AT_MOST:
                self.lacked.clear()
            self.lacked.add(name)
            return False
        return name not in self.lacked or time.monotonic() - self.since > _LACKED

    def unproven(self, selected: Field) -> bool:
        """Tell whether a field can be proven, and is not yet."""
        return selected.type in _PROVABLE and selected.name not in self.proven


class Catalogues:
    """The catalogues of a process, by the name or id that events give."""

    def __init__(self, copernica: Copernica, seconds: float) -> None:
        self._copernica = copernica
        self._seconds = seconds
        self._known: dict[str, Known] = {}
        self._numbers: dict[str, tuple[str, float]] = {}

    def number(self, database: str) -> str | None:
        """Give a database's id, which may be what it is called; None if `find` must tell."""
        if database.isdecimal():
            return database
        number, since = self._numbers.get(database.casefold(), (None, 0.0))
        return None if time.monotonic() - since > self._seconds else number

    def get(self, database: str) -> Known | None:
        """Give what is known of a database, unless it is too old."""
        known = self._known.get(self.number(database) or "")
        return known if known is not None and time.monotonic() <= known.until else None

    async def find(self, database: str) -> str | Retry | Refused:
        """Ask the API for a database's id by its name.

        It is refused if there is no such database, or the API takes no such name.
        """
        since = time.monotonic()
        match listed(database, await self._copernica.send(get_database(database))):
            case Retry() | Refused() as failure:
                return failure
            case found:
                number = str(found[0]["ID"]) if found else ""
        if not number.isdecimal():
            return Retry("outage", "the API does not tell the database's id")
        self._numbers[database.casefold()] = (number, since)
        return number

    async def read(self, database: str) -> Known | Retry | Refused:
        """Ask the API for a database's fields and interests, and for its id if need be.

        It is refused if there is no such database, or the API takes no such name.
        """
        since = time.monotonic()
        number = self.number(database) or await self.find(database)
        if isinstance(number, Retry | Refused):
            return number
        fields = await self._all(lambda start: get_fields(number, start), database)
        if isinstance(fields, Retry | Refused):
            return fields
        interests = await self._all(lambda start: get_interests(number, start), database)
        if isinstance(interests, Retry | Refused):
            return interests
        until = time.monotonic() + self._seconds  # from now on, however long it took to read
        return self._keep(Known(catalogue(number, fields, interests), since, until))

    def _keep(self, known: Known) -> Known:
        number = known.catalogue.database
        before = self._known.get(number)
        if before and before.catalogue == known.catalogue:
            known.proven, known.lacked = before.proven, before.lacked
        self._known[number] = known
        return known

    async def _all(self, page: Callable[[int], Call], database: str) -> Listed | Retry | Refused:
        """Read a list to its end, page by page."""
        items: Listed = ()
        while True:
            match listed(database, await self._copernica.send(page(len(items)))):
                case Refused("refused", detail):
                    return Retry("outage", detail)  # No event is to blame for this question.
                case Retry() | Refused() as failure:
                    return failure
                case more:
                    if items and more[:1] == items[:1]:
                        return Retry("outage", "the API gives the same page of a list again")
                    items += more
                    if len(more) < PAGE:
                        return items
