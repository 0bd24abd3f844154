"""One attempt for an event: look if need be, PUT, read back. When, is decided elsewhere."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.answers import judge
from service.conditions import Condition, after_update
from service.copernica import Copernica
from service.events import ProfileUpdate
from service.guards import MOST_FOR_ONE, crowd, strange
from service.lanes import Work
from service.outcomes import Done, Outcome, Refused, Retry, appeared_since, decide, found
from service.profiles import (
    PAGE,
    Answer,
    Call,
    Profile,
    Response,
    get_profile,
    get_profiles,
    present,
    put_profiles,
)
from service.results import Source
from service.settings import Settings
from service.stale import TOO_MANY, Replays

_LOOKS_NEW = 10.0  # seconds; `decide` takes a profile for new for 5, give or take a second
_ONE_BY_ONE = 10  # profiles that are read by their id, each with a call


@dataclass(frozen=True, slots=True)
class Written:
    """The API took the update; `matched` is None if nobody knows how many profiles there are."""

    outcome: Outcome
    profiles: tuple[Profile, ...] = ()
    matched: int | None = None
    source: Source = "none"
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """The API works on a create in the background: look again in some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Strange:
    """The answer has profiles that were not asked for: no call may follow.

    `written` is how the event ends if it has been written all the same.
    """

    detail: str
    written: "Written | None" = None


Ended = Written | Refused | Retry | Later | Strange


@dataclass(frozen=True, slots=True)
class _Found:
    """The written profiles, where they come from, and in words why there are none.

    `failure` if the API could not be asked just now.
    """

    profiles: tuple[Profile, ...] = ()
    source: Source = "none"
    detail: str | None = None
    failure: Retry | None = None


class Attempts:
    """Makes the calls of events, one attempt at a time."""

    def __init__(
        self, settings: Settings, copernica: Copernica, replays: Replays | None = None
    ) -> None:
        self._replays = replays or Replays()
        self._settings = settings
        self._copernica = copernica
        self._zone = settings.zone
        self._made: dict[str, float] = {}

    async def make(self, work: Work, may_write: Callable[[], bool]) -> Ended | None:
        """Make one attempt; None if `may_write` forbids it in the end."""
        if work.settled_at:
            return await self._settle(work)
        moves = work.written.moves
        looks = work.look_first or (work.guarded and not moves)
        if looks and (ended := await self._look(work)) is not None:
            return ended
        if moves and (work.ids is None or (work.guarded and not work.sent)):
            ended = await self._remember_ids(work)
            if ended is not None:
                return ended
        await self._copernica.turn()
        return await self._write(work) if may_write() else None

    async def _write(self, work: Work) -> Ended:
        update = work.written
        work.attempts += 1
        work.first_call_at = work.first_call_at or datetime.now(UTC)
        # What a look has found may be followed by an update of its key as soon as this has an
        # answer: then it must be through, not in the background.
        in_background = work.may_create and not work.guarded
        sent = update if in_background else replace(update, asynchronous=False)
        call = put_profiles(sent, create=update.create and work.may_create)
        answer = await self._copernica.send(call, has_turn=True)
        work.status = answer.status if isinstance(answer, Response) else None
        verdict = decide(sent, answer, self._zone)
        work.sent = work.sent or not isinstance(verdict, Retry) or verdict.ambiguous
        match verdict:
            case Done("accepted") if update.create:
                work.settled_at = asyncio.get_running_loop().time() + self._settings.ambiguous_wait
                work.look_first = True  # whoever has the event next
                return Later(min(self._settings.retry_base, self._settings.ambiguous_wait))
            case Done("accepted"):
                return Written("accepted")
            case Done() as done:
                return await self._complete(work, done)
            case failure:
                return failure

    async def _look(self, work: Work) -> Ended | None:
        """See whether an attempt without an answer was carried out; None if the PUT may follow."""
        update = work.written
        if update.moves:
            return await self._look_by_ids(work)
        answer = await self._copernica.send(_selected(update, update.conditions))
        if work.guarded and self._too_many(update, answer):
            return Refused("stale", TOO_MANY)
        match found(update, answer):
            case Retry() | Refused() as failure:
                return failure
            case profiles if (objection := self._objection(work, update, profiles)) is not None:
                return objection
            case profiles:
                after_another, work.look_first = work.look_first, False
                if profiles and update.create:
                    work.may_create = False
                    since = work.first_call_at or work.received_at
                    appeared = appeared_since(profiles[0], since, self._zone)
                    work.created = after_another and appeared
                return None

    async def _settle(self, work: Work) -> Ended:
        """Hold a create's lane until its profile is there, or must have been."""
        update = work.written
        answer = await self._copernica.send(_selected(update, update.conditions))
        left = work.settled_at - asyncio.get_running_loop().time()
        match found(update, answer):
            case (_, *_) as profiles:
                self._made_before(None, profiles)
                return Written("accepted")
            case _ if left <= 0:
                return Written("accepted")
            case Retry(after=float() as after) if after > 0:
                return Later(after)
            case _:
                # Each look is billed: the longer it has taken, the longer it may take.
                waited = self._settings.ambiguous_wait - left
                return Later(min(max(waited, self._settings.retry_base), left))

    async def _complete(self, work: Work, done: Done) -> Ended:
        read = await self._profiles_of(work, done)
        profiles = read.profiles
        detail = self._strange(work.written, profiles) or crowd(work.written, profiles)
        if detail is not None and not work.written.moves:
            # Whose profiles they are, nobody knows: they are not published.
            return Strange(detail, Written("updated", (), len(profiles), "none", detail))
        matched = None if read.source == "none" else len(profiles)
        detail = read.detail
        if len(profiles) >= PAGE:
            detail = f"{PAGE} profiles are shown; there may be more"
        if work.older:
            self._replays.note(profiles, work.occurred_at)
        else:
            self._replays.forget(profiles)
        outcome = self._outcome(work, done, profiles, matched)
        return Written(outcome, profiles, matched, read.source, detail)

    async def _profiles_of(self, work: Work, done: Done) -> _Found:
        update = work.written
        if done.profiles is not None:
            return _Found(done.profiles, "put")
        if self._settings.read_back == "never":
            return _Found(detail="the answer had no profiles, and READ_BACK is never")
        if update.moves:
            return await self._by_ids(work)
        conditions = after_update(update.conditions, update.fields)
        if conditions is not None:
            # After a creation too: the selection shows whether it made a second profile.
            read = await self._read(work, _selected(update, conditions))
            if read.profiles or done.created_id is None or read.source == "none":
                return read
        if done.created_id is not None:
            return await self._read(work, get_profile(done.created_id), one=True)
        return _Found(detail="not read back: the update changed what its selection looks for")

    def _strange(self, update: ProfileUpdate, profiles: tuple[Profile, ...]) -> str | None:
        return strange(update, profiles, values=self._settings.field_check == "strict")

    def _objection(
        self, work: Work, selected: ProfileUpdate, profiles: tuple[Profile, ...]
    ) -> Strange | Refused | None:
        """Say why profiles that were selected before a write forbid it, if they do."""
        if (detail := self._strange(selected, profiles)) is not None:
            return Strange(detail)
        if (detail := crowd(work.written, profiles)) is not None:
            return Refused("unsafe-selection", detail)
        if work.guarded:
            instant, zone = work.occurred_at, self._zone
            work.older = self._replays.older(profiles, instant, zone)
            detail = self._replays.staleness(work.written, profiles, instant, zone)
            if detail is not None:
                return Refused("stale", detail)
        return None

    async def _read(self, work: Work, call: Call, *, one: bool = False) -> _Found:
        match found(work.written, await self._copernica.send(call)):
            case Retry() as retry:
                return _Found(detail=f"not read back: {retry.detail}", failure=retry)
            case Refused(detail=detail):
                return _Found(detail=f"not read back: {detail}")
            case profiles:
                return _Found(present(profiles) if one else profiles, "read-back")

    def _too_many(self, update: ProfileUpdate, answer: Answer) -> bool:
        """Tell whether the profiles of an update for many are more than an answer may hold."""
        if update.expect == "one" or not isinstance(answer, Response) or not answer.cut:
            return False
        whole = len(answer.body) >= self._settings.max_response_bytes
        return whole and judge(answer).meaning == "success"

    async def _remember_ids(self, work: Work) -> Ended | None:
        """Note which profiles an update will move: afterwards its selection finds others."""
        update = work.written
        unmoved = replace(update, fields={})
        answer = await self._copernica.send(_selected(update, update.conditions))
        if self._too_many(update, answer):
            work.ids, work.too_many = (), True
            return Refused("stale", TOO_MANY) if work.guarded else None
        match found(update, answer):
            case Retry() | Refused() as failure:
                return failure
            case profiles if (objection := self._objection(work, unmoved, profiles)) is not None:
                return objection
            case profiles:
                work.ids = tuple(str(profile["ID"]) for profile in profiles)
                return None

    async def _look_by_ids(self, work: Work) -> Ended | None:
        """See whether the profiles of an update have moved; where none can tell, it is repeated."""
        update = work.written
        if after_update(update.conditions, update.fields) is not None:
            read = await self._by_ids(work)
            if read.failure is not None:
                return read.failure
            if read.profiles and strange(update, read.profiles) is None:
                return Written("updated", read.profiles, len(read.profiles), "read-back")
        work.look_first = False
        return None

    async def _by_ids(self, work: Work) -> _Found:
        """Read the profiles that an update has moved."""
        ids = work.ids or ()
        if work.too_many:
            return _Found(detail="not read back: too many to note which profiles the update moves")
        if not ids:
            return _Found((), "read-back")
        if len(ids) <= _ONE_BY_ONE:
            profiles: tuple[Profile, ...] = ()
            for profile_id in ids:
                read = await self._read(work, get_profile(profile_id), one=True)
                if read.source == "none":
                    return read
                profiles += read.profiles
            return _Found(profiles, "read-back")
        conditions = after_update(work.written.conditions, work.written.fields)
        if conditions is None:
            return _Found(detail=f"not read back: {len(ids)} profiles moved where none looks")
        read = await self._read(work, _selected(work.written, conditions))
        if len(read.profiles) >= PAGE:
            return _Found(detail=f"not read back: over {PAGE} profiles are where these have moved")
        moved = tuple(profile for profile in read.profiles if str(profile["ID"]) in ids)
        return _Found(moved, read.source, read.detail)

    def _outcome(
        self, work: Work, done: Done, profiles: tuple[Profile, ...], matched: int | None
    ) -> Outcome:
        """Correct a verdict by what else is known: the read-back, the look, earlier creations."""
        if done.outcome == "updated" and matched == 0:
            return "unmatched"
        if done.unsure and len(profiles) == 1 and work.first_call_at is not None:
            new = profiles[0].get("created") == profiles[0].get("modified")
            if new and appeared_since(profiles[0], work.first_call_at, self._zone):
                done = replace(done, outcome="created")
        if done.outcome == "updated" and work.created:
            return "created"
        if done.outcome == "created" and self._made_before(done.created_id, profiles):
            return "updated"
        return done.outcome

    def _made_before(self, created_id: str | None, profiles: tuple[Profile, ...]) -> bool:
        """Tell whether a profile that looks new is one that an earlier event has made.

        The API's timestamps have whole seconds: a list answer shows a profile made and updated
        within one second as new each time.
        """
        now = time.monotonic()
        while self._made and now - next(iter(self._made.values())) > _LOOKS_NEW:
            del self._made[next(iter(self._made))]
        profile_id = created_id or (str(profiles[0]["ID"]) if profiles else None)
        if profile_id is None:
            return False
        before = created_id is None and profile_id in self._made
        self._made.setdefault(profile_id, now)
        return before


def _selected(update: ProfileUpdate, conditions: tuple[Condition, ...]) -> Call:
    """Make the call that reads an update's profiles, no more of them than it takes to judge."""
    limit = MOST_FOR_ONE + 1 if update.expect == "one" else PAGE
    return get_profiles(update.database, conditions, limit)
