"""The calls of one profile: profile/{id} and profile/{id}/fields."""

from tests.standin import body
from tests.standin.answers import Answer, Refused, written
from tests.standin.call import Call
from tests.standin.changes import Changes
from tests.standin.schema import Database
from tests.standin.store import Profile, Store
from tests.standin.values import text
from tests.standin.versions import Version


class Profiles:
    """Carries out calls of one profile."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def answer(
        self, store: Store, call: Call, version: Version, number: str, rest: list[str]
    ) -> Answer:
        """Read, change or remove the profile of that id.

        Raises:
            Refused: there is no such profile, or it cannot be done.
        """
        found = store.profile(number)
        if found is None:
            raise Refused("No entity with supplied ID")
        database, profile = found
        match call.method, rest:
            case "DELETE", _ if profile.removed:
                raise Refused("This profile has already been removed")
            case "DELETE", []:
                store.remove(database, profile)
                call.ids.append(profile.ID)
                return version.removed(profile.ID)
            case "GET", []:
                return written(200, profile.described(database))
            case "GET", ["fields", *_]:
                return written(200, profile.fields(database))
            case "PUT" | "POST", [] | ["fields", *_]:
                flat = bool(rest) or version.flat_body
                self._put(store, call, database, profile, flat)
                return version.changed(call.place(f"profile/{profile.ID}"))
        raise Refused("Invalid method")

    def _put(
        self, store: Store, call: Call, database: Database, profile: Profile, flat: bool
    ) -> None:
        """Change a profile; a flat body is the map of fields and nothing else."""
        sent = body.read(call)
        fields = sent if flat else body.array(sent.get("fields")) or {}
        interests = None if flat else sent.get("interests")
        change = self._changes.of_fields(fields, interests, database)
        call.ids.append(profile.ID)
        if not profile.removed:
            (profile,) = store.update(database, [profile], change)
        elif fields:
            # Seen on the API: a removed profile stays empty, but is modified every time.
            profile = store.touch(profile)
        if "secret" in sent and not flat:
            store.set_secret(database, profile, _secret(sent["secret"]))


def _secret(sent: object) -> str:
    if sent is None or isinstance(sent, (list, dict)):
        return "1"
    return text(sent).encode("ascii", "replace").decode()
