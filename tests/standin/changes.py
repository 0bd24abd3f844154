"""What a call wants of profiles: its body, read by version and switches."""

from typing import Any

from tests.standin import body
from tests.standin.answers import Refused
from tests.standin.call import Call
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.schema import Change, Database
from tests.standin.versions import Version


class Changes:
    """Reads the changes that calls ask for."""

    def __init__(self, choices: Choices, clock: Clock) -> None:
        self._choices = choices
        self._clock = clock

    def of_profiles(self, call: Call, version: Version, database: Database) -> Change:
        """Read the body of a PUT or POST of profiles.

        Raises:
            Refused: it is no object, or its fields are none.
        """
        sent = body.read(call)
        if version.flat_body:
            return self.of_fields(sent, None, database)
        fields = body.array(sent.get("fields", {}))
        if fields is None:
            raise Refused("Invalid data provided")
        return self.of_fields(fields, sent.get("interests"), database)

    def of_fields(self, fields: dict[str, Any], interests: object, database: Database) -> Change:
        """Convert fields and interests by name.

        Raises:
            Refused: a field does not exist, and the switches say that this matters.
        """
        if self._choices.unknown_body_field == "error":
            for name in fields:
                if database.field(name) is None:
                    raise Refused(f"Field {name} does not exist")
        change = database.change(fields, interests, self._clock)
        if self._choices.interests == "replace" and isinstance(interests, (list, dict)):
            others = dict.fromkeys(database.interests, False)
            return Change(change.values, others | change.switches)
        return change

    def may_create(self, database: Database, change: Change) -> bool:
        """Tell whether a profile may be created: no e-mail address is in a blocked domain."""
        addresses = (
            str(value).rpartition("@")
            for n, value in change.values.items()
            if database.fields[n].type == "email"
        )
        blocked = self._choices.blocked_domain
        return not any(at and domain.strip().lower() in blocked for _, at, domain in addresses)
