"""How many calls were answered, as GET consumption tells it."""

from collections import Counter

from tests.standin import dates, query
from tests.standin.answers import Refused
from tests.standin.clock import Clock


class Consumption:
    """Answered calls by day; days are those of Amsterdam."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: Counter[str] = Counter()

    def count(self) -> None:
        """Count a call that was answered now."""
        self._calls[self._clock.wall()[:10]] += 1

    def described(self, parameters: query.Array) -> dict[str, int]:
        """Tell what was consumed from the day `begin` to the day `end`, both included.

        Raises:
            Refused: one of them is missing, or no date.
        """
        begin, end = self._day("begin", parameters), self._day("end", parameters)
        calls = sum(number for day, number in self._calls.items() if begin <= day <= end)
        return {
            "emails": 0,
            "texts": 0,
            "fax": 0,
            "webpages": 0,
            "apicalls": calls,
            "litmustests": 0,
            "twofiftyoktests": 0,
        }

    def _day(self, name: str, parameters: query.Array) -> str:
        written = parameters.get(name)
        if written is None:
            raise Refused(f"URL parameter {name} is required")
        moment = dates.moment(written, self._clock) if isinstance(written, str) else None
        if moment is None:
            raise Refused(f"URL parameter {name} is not a date")
        return moment[:10]
