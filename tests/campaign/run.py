"""A campaign from begin to end: load and faults, calm, the account."""

import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.campaign.accountant import Breach, breaches, figures
from tests.campaign.events import events
from tests.campaign.evidence import Evidence, Happened
from tests.campaign.faults import FAULTS, calm, take
from tests.campaign.harvest import Harvest
from tests.campaign.load import Load
from tests.campaign.pace import Pace
from tests.campaign.plan import Injection
from tests.campaign.routes import partition_of
from tests.campaign.stage import Nodes, Stage, Wanted
from tests.programs import eventually

_PATIENCE = 30.0  # seconds without any new result, once all faults are over, that are too many
_LONGEST_DRAIN = 600.0  # seconds
_SHARED_OUT = 30.0  # seconds from the end of the faults

SERVICE = ("-m", "service", "run")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """What came of a campaign. `skipped` tells why faults could not be made."""

    broken: Sequence[Breach]
    figures: Mapping[str, float]
    kinds: Mapping[str, int]
    skipped: Mapping[str, str]
    folder: Path
    evidence: Evidence = field(repr=False)


@dataclass(slots=True)
class _Log:
    happened: list[Happened] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def campaign(
    seed: int,
    seconds: float,
    injections: Sequence[Injection],
    program: Sequence[str] = SERVICE,
    *,
    nodes: Nodes | None = None,
    pace: Pace | None = None,
    say: Say = lambda _: None,
) -> Account:
    """Run a campaign and judge it; its folder stays for whoever called."""
    folder = Path(tempfile.mkdtemp(prefix=f"profile-sync-campaign-{seed}-"))
    pace = pace or Pace()
    with Stage(folder, seed, Wanted(program, nodes or Nodes(), pace)) as stage:
        urls = [node.amqp_url() for node in stage.nodes]
        stage.load = load = Load(urls, events(seed), pace, lambda: len(stage.taken))
        try:
            load.go()
            log = _inject(stage, injections, seconds, say)
            _persist(lambda: calm(stage))
            taken = load.over or _takes_events(load)
            shares = _shared_out(stage)
        finally:
            load.end()
        say("all faults are over; waiting until the work is done")
        evidence, waited = _settle(stage, load, log)
        evidence.taken, evidence.window, evidence.slots = taken, pace.window, pace.slots
        evidence.partitions, evidence.coalescing = pace.partitions, pace.coalescing
        evidence.shares = shares
    (folder / "evidence.txt").write_text(_written(evidence))
    numbers = {**figures(evidence), "seconds to drain": waited}
    kinds = Counter(each.kind for each in log.happened)
    return Account(breaches(evidence), numbers, kinds, log.skipped, folder, evidence)


def _inject(stage: Stage, injections: Sequence[Injection], seconds: float, say: Say) -> _Log:
    """Begin and end each fault at its time.

    What takes its time delays the rest, so that each lasts as long as it should; what would begin
    after so many seconds, or when all events are sent, does not.
    """
    assert stage.load is not None
    begun, late, log = time.monotonic(), 0.0, _Log()
    open_now: dict[Injection, tuple[AbstractContextManager[None], float]] = {}
    for at, each, begins in _timeline(injections):
        now = time.monotonic() - begun
        late = max(late, now - at)
        if begins and at + late < seconds:
            _until(begun + at + late, stage.load)
            if stage.load.over:
                continue
            say(f"{time.monotonic() - begun:6.1f}  {each.kind} for {each.seconds:.1f} s")
            # What does it may take its time, and do it at once.
            context, since = FAULTS[each.kind](stage), time.time()
            if _did(context.__enter__, each.kind, log):
                open_now[each] = (context, since)
        elif not begins and each in open_now:
            _until(begun + at + late, stage.load)
            context, since = open_now.pop(each)
            _did(partial(context.__exit__, None, None, None), each.kind, log)
            log.happened.append(Happened(each.kind, since, time.time()))
    _until(begun + seconds, stage.load)
    return log


def _timeline(injections: Sequence[Injection]) -> list[tuple[float, Injection, bool]]:
    """List the begins and ends of faults, in the order of their times."""
    moments = [(each.at, each, True) for each in injections]
    moments += [(each.at + each.seconds, each, False) for each in injections]
    return sorted(moments, key=lambda moment: moment[0])


def _did(work: Callable[[], object], kind: str, log: _Log) -> bool:
    """Do a part of a fault; with another one in the way it may fail, and `calm` comes later."""
    try:
        work()
    except Exception as error:
        log.skipped[kind] = f"{type(error).__name__}: {error}"[:300]
        return False
    return True


def _until(moment: float, load: Load) -> None:
    """Wait for a moment, or until all events are sent."""
    while (left := moment - time.monotonic()) > 0 and not load.over:
        time.sleep(min(left, 0.5))


def _settle(stage: Stage, load: Load, log: _Log) -> tuple[Evidence, float]:
    """Wait until the work is done, end the service and gather the evidence."""
    begun = time.monotonic()
    drained = _drained(stage)
    waited = round(time.monotonic() - begun, 1)
    stage.watch.end()
    survivors = list(stage.replicas)
    while stage.replicas:
        stage.end_replica(signal.SIGTERM)
    left, unread = [Harvest(queue) for queue in stage.event_queues], list[str]()
    for harvest in (stage.results, stage.dead_letters, *left):
        quiet = 1.0 / (len(left) if harvest in left else 1)
        if not _did(partial(take, stage, harvest, quiet), f"taking {harvest.queue}", log):
            unread.append(harvest.queue)
    evidence = Evidence(
        sent=load.sent,
        results=stage.results.arrived,
        dead_letters=stage.dead_letters.arrived,
        left=[f"{each.uid}" for harvest in left for each in harvest.arrived],
        journal=stage.api.journal(),
        profiles=stage.profiles(),
        happened=log.happened,
        endings=stage.endings,
        outputs=stage.outputs(),
        handed=stage.handed,
        vitals=stage.watch.seen,
        survivors=survivors,
        tokens=stage.tokens,
        destroyed=stage.destroyed,
        unread=unread,
        drained=drained,
        partition_of=_partitions(stage, load),
    )
    return evidence, waited


def _partitions(stage: Stage, load: Load) -> dict[str, str]:
    if stage.partitions == 1:
        return {}
    routing_keys = {each.routing_key for each in load.sent}
    return partition_of(stage.node.amqp_url(), stage.event_queues, routing_keys)


def _takes_events(load: Load) -> bool:
    """Wait until RabbitMQ takes one more event; False if it does not."""
    before = len(load.sent)
    return eventually(lambda: any(each.confirmed for each in load.sent[before:]), 30)


def _shared_out(stage: Stage) -> dict[str, int | None]:
    """Wait until each partition has a replica, and none of these too many; say who has how many.

    It takes events to tell: a replica knows of a partition when the first has come.
    """
    if stage.partitions == 1:
        return {}
    shares = dict[str, int | None]()

    def fair() -> bool:
        shares.clear()
        shares.update(stage.shares())
        told = [share or 0 for share in shares.values()]
        return sum(told) == stage.partitions and max(told) <= -(-stage.partitions // len(told))

    eventually(fair, _SHARED_OUT)
    return shares


def _drained(stage: Stage) -> bool:
    """Wait until the event queue is empty; False if the work stops before."""
    ends, progress, answered = time.monotonic() + _LONGEST_DRAIN, time.monotonic(), 0
    while not stage.is_idle():
        now, before, answered = time.monotonic(), answered, stage.answered()
        progress = now if answered != before else progress
        if now > min(ends, progress + _PATIENCE):
            return False
    return True


def _persist(work: Callable[[], None], tries: int = 10) -> None:
    """Do what may fail as long as parts are just coming up again."""
    for left in reversed(range(tries)):
        try:
            work()
        except Exception:
            if not left:
                raise
            time.sleep(1)
        else:
            return


def _written(evidence: Evidence) -> str:
    """Write what is not in the programs' own outputs."""
    lines = [f"{each}" for each in (*evidence.happened, *evidence.endings)]
    lines += [f"{each}" for each in evidence.sent]
    lines += [f"{each}" for each in evidence.handed]
    lines += [f"{each}" for each in (*evidence.results, *evidence.dead_letters)]
    lines += [f"{each}" for each in evidence.journal]
    return "\n".join([*lines, ""])
