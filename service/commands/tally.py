"""What becomes of the letters of a replay, each by itself and counted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from service.commands.dead_letters import Letter

Refusal = tuple[str, str]  # reason and detail
Outcome = Literal["published", "would-be-published", "refused", "unsure"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What has become of one letter; `event_id` is that of the event published, maybe a new one.

    One that is `unsure` was published, and the link was lost before RabbitMQ confirmed it.
    """

    letter: Letter
    event_id: str
    outcome: Outcome
    refusal: Refusal | None = None


@dataclass(slots=True)
class Tally:
    """What has become of the letters so far; each that is selected counts once.

    `seen` counts all there were, by reason and database, `selected` those that are meant. `refused`
    has a count and an id for each reason and detail. Of those published, the last `may_repeat` may
    still be in their queue.
    """

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    selected: int = 0
    published: int = 0
    sound: int = 0  # in a dry run
    unsure: int = 0
    may_repeat: int = 0
    refused: dict[Refusal, tuple[int, str]] = field(default_factory=dict)

    def see(self, letter: Letter, *, meant: bool) -> None:
        """Count a letter there is."""
        self.seen[letter.reason, letter.database] += 1
        self.selected += meant

    def count(self, ending: Ending) -> None:
        """Count what has become of a letter."""
        match ending.outcome:
            case "published":
                self.published += 1
            case "would-be-published":
                self.sound += 1
            case "unsure":
                self.unsure += 1
            case "refused":
                refusal = ending.refusal or ("", "")
                count, sample = self.refused.get(refusal, (0, ending.event_id))
                self.refused[refusal] = (count + 1, sample)

    @property
    def refusals(self) -> int:
        """How many were refused."""
        return sum(count for count, _ in self.refused.values())

    @property
    def left(self) -> int:
        """How many were selected, and nothing was done with them."""
        return self.selected - self.published - self.sound - self.unsure - self.refusals
