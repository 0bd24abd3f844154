"""What an event becomes: the exact call, without the token, or why it is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.catalogue import Catalogue, Field, by_name
from service.catalogues import Catalogues
from service.conditions import routing_key
from service.copernica import Copernica
from service.events import InvalidEvent, parse
from service.guards import check_database, guard
from service.messages import Properties
from service.metrics import Metrics
from service.outcomes import Refused, Retry
from service.profiles import put_profiles
from service.settings import Settings


class NoCatalogue(Exception):
    """The fields of a database are not to be had; the text says why."""


class _SavedField(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    type: str
    choices: list[str] = []


class SavedCatalogue(BaseModel):
    """A catalogue as a file, to render without the API."""

    model_config = ConfigDict(extra="forbid")

    database: str
    fields: list[_SavedField]
    interests: list[str]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "SavedCatalogue":
        """Write a catalogue down."""
        fields = [
            _SavedField(name=field.name, type=field.type, choices=list(field.choices))
            for field in catalogue.fields.values()
        ]
        interests = list(dict.fromkeys(catalogue.interests.values()))
        return cls(database=catalogue.database, fields=fields, interests=interests)

    def catalogue(self) -> Catalogue:
        """Read it again."""
        fields = [Field(field.name, field.type, tuple(field.choices)) for field in self.fields]
        known = {field.name.lower(): field for field in fields}
        return Catalogue(self.database, known, by_name(self.interests))


async def read_catalogue(settings: Settings, database: str) -> Catalogue:
    """Ask the API for a database's catalogue.

    Raises:
        NoCatalogue: it does not tell.
    """
    async with Copernica(settings, Metrics()) as copernica:
        match await Catalogues(copernica, settings.field_cache_seconds).read(database):
            case Retry(detail=detail) | Refused(detail=detail):
                raise NoCatalogue(f"the API does not tell the fields of {database}: {detail}")
            case known:
                return known.catalogue


def load_catalogue(file: Path, database: str) -> Catalogue:
    """Read the saved catalogue of a database.

    Raises:
        NoCatalogue: the file is none, or that of another database as far as an id tells.
    """
    try:
        saved = SavedCatalogue.model_validate_json(file.read_bytes())
    except OSError as error:
        raise NoCatalogue(f"{file}: {error.strerror}") from None
    except ValueError:
        raise NoCatalogue(f"{file} is no catalogue; `profile-sync catalogue` prints one") from None
    if database.isdecimal() and database != saved.database:
        raise NoCatalogue(
            f"{file} is of database {saved.database}, the event for {database}; "
            f"`profile-sync catalogue {database}` prints its"
        )
    return saved.catalogue()


def render(
    body: bytes, settings: Settings, catalogue: Callable[[str], Catalogue | None]
) -> Mapping[str, Any]:
    """Describe the call that an event becomes; if it is refused, its `reason` and `detail`.

    `catalogue` gives that of a database, or None to check nothing. What it raises passes through.
    """
    event_id = ""
    try:
        update = parse(body, Properties(), settings.max_event_bytes)
        event_id = update.event_id
        check_database(update, settings.allowed_databases)
        known = None if settings.field_check == "off" else catalogue(update.database)
        if known is not None:
            update = guard(update, known, settings.zone, values=settings.field_check == "strict")
    except InvalidEvent as error:
        return {
            "event_id": event_id or error.event_id,
            "reason": error.reason,
            "detail": error.detail,
        }
    call = put_profiles(update)
    return {
        "event_id": update.event_id,
        "key": " ".join(update.key),
        "routing_key": routing_key(update.key),
        "alone": update.barrier,
        "method": call.method,
        "url": f"{settings.api_url}{call.path}?{call.query}",
        "body": (call.body or b"").decode(),
    }


def written(rendered: Mapping[str, Any]) -> str:
    """Write what `render` gives for people."""
    if "reason" in rendered:
        return "refused: {reason}: {detail}\nevent    {event_id}".format(**rendered)
    known = "key          {key}\nrouting key  {routing_key}\nevent        {event_id}"
    text = f"{{method}} {{url}}\n{{body}}\n\n{known}".format(**rendered)
    alone = "\nruns alone in its database: it may touch profiles of other keys"
    return text + alone if rendered["alone"] else text
