"""The commands for dead letters, on a real RabbitMQ."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pika
import pytest

from service.commands.links import link_of
from service.commands.look import look_at_dead_letters
from service.messages import Delivery
from service.settings import Settings
from service.topology import topology
from tests.integration.conftest import DEAD_LETTERS, EVENTS, Mail, Wire, channel, wait_for
from tests.integration.test_cli import profile_sync
from tests.programs import Program, Service, StandIn, eventually, without_settings
from tests.rabbitmq import Vhost, free_ports

WRONG_FIELD = "fields.fristname: there is no such field; did you mean firstname?"


def settings(vhost: Vhost) -> Settings:
    return Settings.load(access_token="unused", amqp_url=vhost.amqp_url)


@pytest.fixture
def declared(mail: Mail, vhost: Vhost) -> Mail:
    declare(mail, settings(vhost))
    return mail


def declare(mail: Mail, known: Settings) -> None:
    """Declare what the service would."""
    wanted = topology(known)
    for exchange in wanted.exchanges:
        mail.channel.exchange_declare(exchange.name, exchange.type, durable=True)
    for queue in wanted.queues:
        mail.channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    for binding in wanted.bindings:
        mail.channel.queue_bind(binding.destination, binding.source, "#")


def event(number: int, **changes: Any) -> dict[str, Any]:
    known = {"database": 1234, "where": {"customerid": f"{number}"}, "fields": {"age": number}}
    return {"id": f"evt-{number}", **known, **changes}


def fill(mail: Mail, *events: Mapping[str, Any] | bytes, **headers: Any) -> None:
    """Put dead letters into their queue, as the service writes them."""
    told = {
        "profile-sync-reason": "unknown-field",
        "profile-sync-detail": WRONG_FIELD,
        "profile-sync-failed-at": "2026-11-23T10:00:00.775341+00:00",
        "profile-sync-exchange": EVENTS,
        "profile-sync-routing-key": "crm.update",
        **{f"profile-sync-{name}": value for name, value in headers.items()},
    }
    properties = pika.BasicProperties(delivery_mode=2, headers=told)  # type: ignore[no-untyped-call]
    with_confirms = mail.channel.connection.channel()
    for each in events:
        body = each if isinstance(each, bytes) else json.dumps(each).encode()
        with_confirms.basic_publish(DEAD_LETTERS, "crm.update", body, properties)
    with_confirms.queue_declare(DEAD_LETTERS, passive=True)
    with_confirms.close()
    wait_for(lambda: mail.ready(DEAD_LETTERS) >= len(events), "all letters in the queue", 90)


def dead_letters(vhost: Vhost, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    done = profile_sync("dead-letters", *arguments, **{"AMQP_URL": vhost.amqp_url, **more})
    assert "Traceback" not in done.stderr
    return done


def numbers(mail: Mail, queue: str, count: int) -> list[int]:
    """Take events out of a queue, and give the numbers in their ids."""
    ids = (json.loads(body)["id"] for _, _, body in mail.take(queue, count))
    return [int(each.removeprefix("evt-")) for each in ids]


async def look(vhost: Vhost, most: int | None = None, stop_after: int | None = None) -> list[bytes]:
    seen: list[bytes] = []

    def take(delivery: Delivery) -> bool:
        seen.append(delivery.body)
        return len(seen) != stop_after

    known = settings(vhost)
    async with (
        link_of(known) as link,
        look_at_dead_letters(link, known, careless=False) as looking,
    ):
        await looking.read(take, await looking.waiting() if most is None else most)
    return seen


async def test_a_look_at_more_than_two_windows_puts_everything_back_in_order(
    declared: Mail, vhost: Vhost
) -> None:
    bodies = [json.dumps(event(number)).encode() for number in range(4_500)]
    await asyncio.to_thread(fill, declared, *bodies)
    assert await look(vhost) == bodies
    assert await look(vhost, stop_after=2_500) == bodies[:2_500]
    assert await look(vhost) == bodies
    assert await asyncio.to_thread(numbers, declared, DEAD_LETTERS, 4_500) == list(range(4_500))


async def test_a_look_that_reads_all_there_is_ends_when_none_come(
    declared: Mail, vhost: Vhost
) -> None:
    await asyncio.to_thread(fill, declared, *(event(number) for number in range(5)))
    assert len(await look(vhost, most=9)) == 5


@pytest.mark.slow
async def test_fifty_looks_lose_nothing_and_keep_the_order(declared: Mail, vhost: Vhost) -> None:
    bodies = [json.dumps(event(number)).encode() for number in range(2_100)]
    await asyncio.to_thread(fill, declared, *bodies)
    for _ in range(50):
        assert await look(vhost) == bodies


async def test_letters_that_came_back_often_are_not_looked_at_where_that_could_cost_them(
    mail: Mail, vhost: Vhost
) -> None:
    mail.channel.exchange_declare(DEAD_LETTERS, "topic", durable=True)
    mail.channel.queue_declare(DEAD_LETTERS, durable=True, arguments={"x-queue-type": "quorum"})
    mail.channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS, "#")
    await asyncio.to_thread(fill, mail, event(1))
    for _ in range(15):
        assert len(await look(vhost)) == 1
    refused = await asyncio.to_thread(dead_letters, vhost, "list")
    assert refused.returncode == 1
    (said,) = refused.stderr.splitlines()
    assert "gone back to profile-sync.dead-letters 15 times" in said
    assert "rabbitmqctl set_policy" in said
    assert "--look-anyway" in said
    anyway = await asyncio.to_thread(dead_letters, vhost, "list", "--look-anyway", "--json")
    assert json.loads(anyway.stdout)["count"] == 1


def test_list_groups_letters_and_lists_each(declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1), event(2))
    fill(declared, event(3, database="Customers"), reason="stale", detail="too\told\x1b[31m")
    grouped = dead_letters(vhost, "list")
    assert (grouped.returncode, grouped.stderr) == (0, "")
    titles, first, second = (line.split("\t") for line in grouped.stdout.splitlines())
    assert titles[:4] == ["REASON", "DATABASE", "HOUR (UTC)", "COUNT"]
    assert first[:4] == ["unknown-field", "1234", "2026-11-23 10:00", "2"]
    assert (second[:2], second[3], second[6]) == (["stale", "Customers"], "1", "evt-3")
    each = dead_letters(vhost, "list", "--each", "--database", "customers")
    assert each.stdout.splitlines()[1].split("\t")[-1] == r"too\told\x1b[31m"
    none = dead_letters(vhost, "list", "--reason", "refused")
    assert none.returncode == 0
    assert "nothing matches among the 3 letters" in none.stdout
    told = json.loads(dead_letters(vhost, "list", "--json", "--reason", "stale").stdout)
    assert told["count"] == 1
    assert told["groups"][0]["oldest"] == "2026-11-23T10:00:00+00:00"


def test_show_hides_the_values_of_an_event_unless_they_are_wanted(
    declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(7, fields={"email": "jane@example.com"}), event(8))
    shown = dead_letters(vhost, "show", "evt-7")
    assert shown.returncode == 0
    assert WRONG_FIELD in shown.stdout
    assert '"email": "<string of 16>"' in shown.stdout
    assert "evt-8" not in shown.stdout
    assert "jane@example.com" not in shown.stdout
    assert "jane@example.com" in dead_letters(vhost, "show", "evt-7", "--values").stdout
    unknown = dead_letters(vhost, "show", "evt-9")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nothing matches among the 2 letters" in unknown.stderr


def test_a_mended_export_is_replayed_and_then_discarded(
    declared: Mail, vhost: Vhost, standin: Callable[..., StandIn], tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    fill(declared, event(1, fields={"fristname": "Jo"}), event(2, fields={"fristname": "Al"}))
    fill(declared, b"\xff\x00", reason="invalid-json")
    exported = dead_letters(vhost, "export", "--reason", "unknown-field", str(file))
    assert (exported.returncode, exported.stdout) == (0, "")
    assert file.stat().st_mode & 0o077 == 0
    api = {"API_URL": f"{standin().url}/v2", "ACCESS_TOKEN": "demo-token"}
    nowhere = {**api, "AMQP_URL": f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/"}
    dry = dead_letters(vhost, "replay", "--dry-run", str(file), **nowhere)
    assert (dry.returncode, dry.stdout.splitlines()[0]) == (1, "0 of 2 would be published")

    refused = dead_letters(vhost, "replay", str(file), **api)
    assert refused.returncode == 1
    assert WRONG_FIELD in refused.stdout
    assert refused.stdout.startswith("0 of 2 published")

    file.write_text(file.read_text().replace("fristname", "firstname"))
    mended = dead_letters(vhost, "replay", "--new-ids", str(file), **api)
    assert mended.returncode == 0
    assert mended.stdout == "2 of 2 published to profile-sync.events\n"
    assert f"discard --in {file}" in mended.stderr
    replayed = declared.take(EVENTS, 2)
    for number, (method, properties, body) in enumerate(replayed, 1):
        content = json.loads(body)
        assert content["id"].startswith(f"evt-{number}+replay-")
        assert method.routing_key == "crm.update"
        assert properties.headers["profile-sync-replay"] == "unless-stale"
        assert not [name for name in properties.headers if "reason" in name]

    assert declared.ready(DEAD_LETTERS) == 3
    discarded = dead_letters(vhost, "discard", "--in", str(file), "--yes")
    assert discarded.stdout.endswith("2 discarded\n")
    again = dead_letters(vhost, "discard", "--in", str(file), "--yes")
    assert again.returncode == 1
    assert "nothing matches among the 1 letters" in again.stderr
    assert [body for _, _, body in declared.take(DEAD_LETTERS, 1)] == [b"\xff\x00"]


def test_replay_takes_letters_out_but_for_those_that_would_be_refused_again(
    declared: Mail, vhost: Vhost, standin: Callable[..., StandIn]
) -> None:
    fill(declared, event(1), event(2, fields={"fristname": "Jo"}), event(3), event(4, database=77))
    api = {"API_URL": f"{standin().url}/v2", "ACCESS_TOKEN": "demo-token"}
    dry = dead_letters(vhost, "replay", "--dry-run", **api)
    assert dry.returncode == 1
    assert dry.stdout.startswith("2 of 4 would be published")
    assert declared.ready(DEAD_LETTERS) == 4
    done = dead_letters(vhost, "replay", "--all", "--force", **api)
    assert done.returncode == 1
    reasons = {line.split("\t")[1] for line in done.stdout.splitlines()[3:]}
    assert reasons == {"unknown-field", "unknown-database"}
    assert numbers(declared, DEAD_LETTERS, 2) == [2, 4]
    assert numbers(declared, EVENTS, 2) == [1, 3]


def test_an_event_that_is_refused_once_more_is_replayed_once(
    service: Callable[..., tuple[Service, StandIn]], mail: Mail, vhost: Vhost
) -> None:
    service()
    mail.send(event(1, fields={"fristname": "Jo"}))
    wait_for(lambda: mail.ready(DEAD_LETTERS) == 1, "the first letter")
    done = dead_letters(vhost, "replay", "--all", "--offline")
    assert done.stdout == "1 of 1 published to profile-sync.events\n"
    wait_for(lambda: mail.ready(DEAD_LETTERS) == 1, "the second letter")
    assert [result["reason"] for result in mail.results(2)] == ["unknown-field"] * 2


def test_letters_of_rabbitmq_itself_are_shown_and_replayed_without_its_marks(
    mail: Mail, vhost: Vhost
) -> None:
    declare(mail, Settings.load(access_token="unused", delivery_limit=1))
    mail.send(event(5))

    def given_up() -> bool:
        with channel(vhost.amqp_url) as other:
            next(other.consume(EVENTS, inactivity_timeout=0.5))
        return mail.ready(DEAD_LETTERS) == 1

    wait_for(given_up, "a letter of RabbitMQ's own")
    shown = dead_letters(vhost, "show", "evt-5").stdout
    assert "delivery_limit" in shown
    assert "after too many deliveries from profile-sync.events" in shown
    done = dead_letters(vhost, "replay", "--offline", "--reason", "delivery_limit")
    assert done.returncode == 0
    ((method, properties, _),) = mail.take(EVENTS, 1)
    assert method.routing_key == "test"
    assert not [name for name in properties.headers if "death" in name]


async def test_what_another_reader_holds_is_not_there_until_it_ends(
    declared: Mail, vhost: Vhost
) -> None:
    await asyncio.to_thread(fill, declared, *(event(number) for number in range(5)))
    known = settings(vhost)
    async with (
        link_of(known) as link,
        look_at_dead_letters(link, known, careless=False) as looking,
    ):
        assert await looking.read(lambda _: True, None) == 5
        others = await asyncio.to_thread(dead_letters, vhost, "list", "--json")
        assert json.loads(others.stdout)["count"] == 0
    assert declared.ready(DEAD_LETTERS) == 5


def test_discard_takes_what_is_meant_and_nothing_else(declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1), event(2), event(3))
    nothing = dead_letters(vhost, "discard", "--yes")
    assert (nothing.returncode, "--all" in nothing.stderr) == (2, True)
    nobody = dead_letters(vhost, "discard", "--all")
    assert (nobody.returncode, "--yes" in nobody.stderr) == (2, True)
    done = dead_letters(vhost, "discard", "--id", "evt-2", "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 discarded")
    assert numbers(declared, DEAD_LETTERS, 2) == [1, 3]


OTHERS = [
    ("show", "evt-1"),
    ("export",),
    ("replay", "--all", "--offline"),
    ("discard", "--all", "--yes"),
]


@pytest.mark.parametrize(
    "command",
    [("list",), *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)],
    ids=lambda command: command[0],
)
def test_what_is_wrong_at_rabbitmq_is_said_in_one_line(
    command: tuple[str, ...], vhost: Vhost
) -> None:
    address = f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/"
    down = dead_letters(vhost, *command, AMQP_URL=address)
    wrong = dead_letters(vhost, *command, AMQP_URL=vhost.amqp_url.replace(":guest@", ":pa55wd@"))
    missing = dead_letters(vhost, *command)
    for done, words in (
        (down, "Connection refused"),
        (wrong, "user name or the password"),
        (missing, "no queue 'profile-sync.dead-letters'"),
    ):
        assert done.returncode == 1
        (said,) = done.stderr.splitlines()
        assert words in said
        assert "pa55wd" not in said


def test_wrong_arguments_end_with_2_and_one_line(vhost: Vhost, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{\n")
    for command, words in (
        (("list", "--older-than", "soon"), "--older-than: write an age as"),
        (
            ("discard", "--reason", "stael"),
            "there is no stael; did you mean stale? The reasons are",
        ),
        (("export", "/nowhere/letters.jsonl"), "/nowhere/letters.jsonl cannot be written"),
        (("replay",), "say which: give --reason, --id or another option, or --all, or a file"),
        (("replay", "--offline", str(broken)), "line 1 is no JSON"),
        (("replay", "--offline", str(tmp_path / "none")), "No such file"),
        (("discard", "--yes", "--in", str(broken)), "line 1 is no JSON"),
    ):
        done = dead_letters(vhost, *command)
        assert done.returncode == 2, command
        (said,) = done.stderr.splitlines()
        assert words in said


@pytest.mark.parametrize(
    "command",
    [("show", "nope"), *((name, "--id", "nope") for name in ("export", "replay", "discard"))],
    ids=lambda command: command[0],
)
def test_where_nothing_matches_one_line_says_what_there_is(
    command: tuple[str, ...], declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    more = {"export": [str(tmp_path / "x")], "replay": ["--offline"], "discard": ["--yes"]}
    words = (*command, *more.get(command[0], []))
    empty = dead_letters(vhost, *words)
    assert (empty.returncode, empty.stdout) == (1, "")
    assert (
        "no letters wait in profile-sync.dead-letters; another reader may hold some" in empty.stderr
    )
    fill(declared, event(1), event(2))
    done = dead_letters(vhost, *words)
    assert (done.returncode, done.stdout) == (1, "")
    (said,) = done.stderr.splitlines()
    assert "2 letters in profile-sync.dead-letters: 2 unknown-field of database 1234" in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_is_told_as_json_for_scripts(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    fill(declared, event(1), event(2, where={}), event(3))
    shown = json.loads(dead_letters(vhost, "show", "evt-2", "--json").stdout)
    assert [letter["body"]["where"] for letter in shown["letters"]] == [{}]
    file = tmp_path / "letters.jsonl"
    assert dead_letters(vhost, "export", str(file)).returncode == 0
    dry = dead_letters(vhost, "replay", "--offline", "--dry-run", "--json", str(file))
    done = dead_letters(vhost, "replay", "--offline", "--json", "--limit", "2", "--new-ids")
    for run, outcome in ((dry, "would-be-published"), (done, "published")):
        assert run.returncode == 1
        *each, last = map(json.loads, run.stdout.splitlines())
        told = {one["id"]: one["outcome"] for one in each}
        assert (told["evt-1"], told["evt-2"]) == (outcome, "refused")
        counts = last["summary"]
        assert (counts["selected"], counts["refused"]) == (3, 1)
        assert sum(counts.values()) == 2 * counts["selected"]
    assert counts["left"] == 1
    gone = json.loads(dead_letters(vhost, "discard", "--all", "--yes", "--json").stdout)
    assert (gone["selected"], gone["discarded"], gone["groups"][0]["count"]) == (2, 2, 2)


def test_a_queue_that_is_not_ours_is_looked_at_or_it_is_said_why_not(
    mail: Mail, vhost: Vhost
) -> None:
    mail.channel.exchange_declare(DEAD_LETTERS, "topic", durable=True)

    def declare_queue(arguments: dict[str, Any]) -> None:
        mail.channel.queue_delete(DEAD_LETTERS)
        mail.channel.queue_declare(DEAD_LETTERS, durable=True, arguments=arguments)
        mail.channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS, "#")
        fill(mail, event(1))

    declare_queue({"x-queue-type": "classic"})
    for _ in range(3):
        assert dead_letters(vhost, "list").returncode == 0
    declare_queue({"x-queue-type": "quorum", "x-delivery-limit": 4})
    assert dead_letters(vhost, "list").returncode == 0
    refused = dead_letters(vhost, "list")
    (said,) = refused.stderr.splitlines()
    assert refused.returncode == 1
    for words in ("x-delivery-limit of 4", "no policy raises", "export --look-anyway FILE"):
        assert words in said
    assert dead_letters(vhost, "list", "--look-anyway").returncode == 0
    assert declared_count(mail) == 1


async def test_who_may_only_read_is_told_what_this_user_may_not_know(
    declared: Mail, vhost: Vhost, login: Callable[..., str]
) -> None:
    await asyncio.to_thread(fill, declared, event(1))
    for _ in range(15):
        assert len(await look(vhost)) == 1
    reader = login(configure="^$", write="^$", read=f"^{DEAD_LETTERS}$")
    refused = await asyncio.to_thread(dead_letters, vhost, "list", AMQP_URL=reader)
    (said,) = refused.stderr.splitlines()
    assert "this user may not ask whether it has one" in said
    assert refused.returncode == 1
    assert len(await look(vhost)) == 1


def declared_count(mail: Mail) -> int:
    """Count the dead letters once all are back."""
    wait_for(lambda: mail.ready(DEAD_LETTERS) > 0, "all back")
    return mail.ready(DEAD_LETTERS)


def test_an_export_replaces_nothing_that_was_there(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    fill(declared, event(1))
    file = tmp_path / "letters.jsonl"
    file.write_text("as it was")
    for there in (file, Path("/dev/null"), tmp_path):
        done = dead_letters(vhost, "export", str(there))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert file.read_text() == "as it was"
    assert not Path("/dev/null").is_file()
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_that_fails_leaves_nothing(vhost: Vhost, tmp_path: Path) -> None:
    assert dead_letters(vhost, "export", str(tmp_path / "letters.jsonl")).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_an_empty_age_is_not_taken_for_none(declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1))
    done = dead_letters(vhost, "discard", "--older-than", "", "--yes")
    assert done.returncode == 2
    assert declared.ready(DEAD_LETTERS) == 1


def test_an_event_that_no_queue_takes_is_told_and_its_letter_stays(
    declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(1))
    declared.channel.queue_unbind(EVENTS, EVENTS, "#")
    done = dead_letters(vhost, "replay", "--all", "--offline")
    assert done.returncode == 1
    assert "no queue is bound" in done.stderr
    assert declared.ready(DEAD_LETTERS) == 1


def test_the_api_that_does_not_tell_its_fields_stops_a_replay(declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1))
    address = f"http://127.0.0.1:{free_ports(1)[0]}/v2"
    done = dead_letters(vhost, "replay", "--all", API_URL=address, ACCESS_TOKEN="t0ken")
    assert done.returncode == 1
    assert "--offline" in done.stderr
    assert declared.ready(DEAD_LETTERS) == 1


class Running(Program):
    """A command that a test ends before its time."""

    def __init__(self, url: str, output: Path, *arguments: str) -> None:
        address = {"PROFILE_SYNC_AMQP_URL": url}
        command = ["-m", "service", "dead-letters", *arguments]
        super().__init__(command, output, {**without_settings(), **address})


def replayed(mail: Mail, vhost: Vhost) -> bool:
    """Replay what is there; True if nothing comes back after it."""
    assert dead_letters(vhost, "replay", "--all", "--offline").returncode == 0
    return not eventually(lambda: mail.ready(DEAD_LETTERS) > 0, 1)


def replayed_until(
    ended_by: signal.Signals, mail: Mail, vhost: Vhost, output: Path, count: int
) -> Running:
    """Begin to replay `count` letters, and end that when a good part is published."""
    fill(mail, *(event(number) for number in range(count)))
    running = Running(vhost.amqp_url, output, "replay", "--all", "--offline", "--rate", "1000")
    wait_for(lambda: mail.ready(EVENTS) > count // 5, "a good part published")
    running.process.send_signal(ended_by)
    running.process.wait(20)
    assert mail.ready(EVENTS) < count
    return running


@pytest.mark.slow
def test_a_replay_that_is_killed_loses_nothing_and_repeats_few(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    count = 3_000
    replayed_until(signal.SIGKILL, declared, vhost, tmp_path / "replay.log", count)
    wait_for(lambda: replayed(declared, vhost), "the rest replayed", 60)
    arrived = Counter(numbers(declared, EVENTS, declared.ready(EVENTS)))
    assert sorted(arrived) == list(range(count))
    assert arrived.total() - count <= 100


@pytest.mark.slow
def test_a_replay_whose_link_is_lost_loses_nothing_and_tells_what_may_come_twice(
    declared: Mail, vhost: Vhost, wire: Wire, tmp_path: Path
) -> None:
    count = 3_000
    fill(declared, *(event(number) for number in range(count)))
    command = ("replay", "--all", "--offline", "--rate", "1000")
    running = Running(wire.url, tmp_path / "replay.log", *command)
    wait_for(lambda: declared.ready(EVENTS) > count // 5, "a good part published")
    wire.proxy.delay(0.05)  # so that some confirms are still on their way
    more = declared.ready(EVENTS) + 300
    wait_for(lambda: declared.ready(EVENTS) > more, "more published")
    wire.proxy.reset()
    running.process.wait(20)
    assert running.process.returncode == 1
    output = running.output()
    assert "profile-sync: RabbitMQ: the connection broke off" in output
    assert "Traceback" not in output
    parts = [
        re.search(words, output)
        for words in (rf"(\d+) of {count} published", r"(\d+) unsure", r"(\d+) not published")
    ]
    published, unsure, left = (int(part[1]) for part in parts if part is not None)
    assert published + unsure + left == count
    told = re.search(r"Run it again for the rest: up to (\d+) may come twice", output)
    assert told is not None
    wait_for(lambda: replayed(declared, vhost), "the rest replayed", 60)
    arrived = Counter(numbers(declared, EVENTS, declared.ready(EVENTS)))
    assert sorted(arrived) == list(range(count))
    assert arrived.total() - count <= int(told[1])


@pytest.mark.slow
def test_a_link_that_loses_acknowledgements_stops_a_replay_before_many_may_come_twice(
    declared: Mail, vhost: Vhost, wire: Wire, tmp_path: Path
) -> None:
    count = 3_000
    fill(declared, *(event(number) for number in range(count)))
    command = ("replay", "--all", "--offline", "--rate", "1000")
    running = Running(wire.url, tmp_path / "replay.log", *command)
    wait_for(lambda: declared.ready(EVENTS) > count // 5, "a good part published")
    wire.proxy.swallow()  # the link that reads is the second of both
    running.process.wait(60)
    assert running.process.returncode == 1
    told = re.search(r"up to (\d+) may come twice", running.output())
    assert told is not None
    wait_for(lambda: replayed(declared, vhost), "the rest replayed", 60)
    arrived = Counter(numbers(declared, EVENTS, declared.ready(EVENTS)))
    assert sorted(arrived) == list(range(count))
    assert 0 < arrived.total() - count <= int(told[1]) <= 200


@pytest.mark.slow
def test_a_replay_ends_cleanly_on_ctrl_c_and_tells_how_far_it_came(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    count = 3_000
    running = replayed_until(signal.SIGINT, declared, vhost, tmp_path / "replay.log", count)
    assert running.process.returncode == 130
    published = int(running.output().split()[0])
    assert (
        running.output().splitlines()[1] == f"{count - published} not published, still in the queue"
    )
    assert numbers(declared, EVENTS, published) == list(range(published))
    left = numbers(declared, DEAD_LETTERS, count - published)
    assert left == list(range(published, count))


@pytest.mark.slow
def test_a_list_that_is_killed_loses_nothing(declared: Mail, vhost: Vhost, tmp_path: Path) -> None:
    count = 5_000
    fill(declared, *(event(number) for number in range(count)))
    for _ in range(3):
        running = Running(vhost.amqp_url, tmp_path / "list.log", "list")
        wait_for(lambda: declared.ready(DEAD_LETTERS) < count, "some held")
        running.kill()
        wait_for(lambda: declared.ready(DEAD_LETTERS) == count, "all back")
    assert sorted(numbers(declared, DEAD_LETTERS, count)) == list(range(count))


@pytest.mark.slow
def test_a_list_that_ctrl_c_ends_puts_everything_back_in_order(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    count = 10_000
    fill(declared, *(event(number) for number in range(count)))
    # What goes back for a second time goes behind what did for the first.
    assert dead_letters(vhost, "list").returncode == 0
    running = Running(vhost.amqp_url, tmp_path / "list.log", "list")
    wait_for(lambda: declared.ready(DEAD_LETTERS) < count, "some held")
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 130
    assert running.output() == ""
    assert numbers(declared, DEAD_LETTERS, count) == list(range(count))


@pytest.mark.slow
def test_ten_thousand_letters_are_listed_and_stay_in_order(declared: Mail, vhost: Vhost) -> None:
    count = 10_000
    fill(declared, *(event(number) for number in range(count)))
    told = json.loads(dead_letters(vhost, "list", "--json").stdout)
    assert told["count"] == count
    assert numbers(declared, DEAD_LETTERS, count) == list(range(count))


def test_a_list_whose_reader_has_read_enough_ends_quietly(declared: Mail, vhost: Vhost) -> None:
    fill(declared, *(event(number) for number in range(500)))
    address = {"PROFILE_SYNC_AMQP_URL": vhost.amqp_url}
    running = subprocess.Popen(
        [sys.executable, "-m", "service", "dead-letters", "export", "-"],
        env={**without_settings(), **address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    running.wait(20)
    wait_for(lambda: declared.ready(DEAD_LETTERS) == 500, "all back")
