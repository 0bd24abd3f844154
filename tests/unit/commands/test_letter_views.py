import json
from dataclasses import replace
from typing import Any

import pytest

from service.commands.dead_letters import Groups
from service.commands.letter_views import show_each, show_groups, show_tally, told, written
from service.commands.replay import Tally
from tests.unit.commands.test_dead_letters import NOW, letter
from tests.unit.commands.test_replay import plan
from tests.unit.samples import event, settings


def tally_shown(
    capsys: pytest.CaptureFixture[str], tally: Tally, *, from_file: bool = False, **plans: Any
) -> list[str]:
    show_tally(settings(), plan(**plans), tally, from_file=from_file)
    return capsys.readouterr().out.splitlines()


def test_a_replay_tells_what_was_refused_and_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally(selected=10, published=5, unsure=2)
    tally.refuse(("unknown-field", "fields.a: none"), "evt-1")
    for number in (2, 3):
        tally.refuse(("refused", "the API\tsays no"), f"evt-{number}")
    assert tally_shown(capsys, tally) == [
        "5 of 10 published to profile-sync.events",
        "3 refused, still in the queue:",
        "COUNT\tREASON\tDETAIL\tSAMPLE ID",
        "2\trefused\tthe API\\tsays no\tevt-2",
        "1\tunknown-field\tfields.a: none\tevt-1",
        "2 not published, still in the queue",
        "up to 2 may come twice when the rest is replayed: RabbitMQ may have their events, and "
        "their letters still",
    ]


def test_a_replay_of_a_file_speaks_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(selected=3, published=1)
    tally.refuse(("refused", "no"), "evt-1")
    shown = tally_shown(capsys, tally, from_file=True)
    assert shown[1] == "1 refused, still in the file:"
    assert shown[-1] == "1 not published"


def test_a_dry_run_tells_what_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    shown = tally_shown(capsys, Tally(selected=3), dry=True)
    assert shown == ["3 of 3 would be published"]
    assert tally_shown(capsys, Tally(), dry=True) == ["there are none of these"]


def test_lists_are_lines_with_tabs_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    groups = Groups()
    groups.add(letter())
    show_groups(groups, NOW, as_json=False)
    show_each([told(letter(headers={"profile-sync-detail": "a\x1b[2J"}))], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "REASON\tDATABASE\tHOUR (UTC)\tCOUNT\tOLDEST\tNEWEST\tSAMPLE ID",
        "refused\t1234\t2026-11-24 10:00\t1\t1h\t1h\tevt-1",
        "ID\tREASON\tDATABASE\tFAILED AT\tDETAIL",
        "evt-1\trefused\t1234\t2026-11-24T10:30:00+00:00\ta\\x1b[2J",
    ]


def test_lists_are_one_object_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    groups = Groups()
    timeless = replace(letter(), failed_at=None)
    groups.add(timeless)
    show_groups(groups, NOW, as_json=True)
    show_each([told(timeless)], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["count"], first["groups"][0]["oldest"]) == (1, None)
    assert (second["count"], second["letters"][0]["failed_at"]) == (1, None)


def test_one_letter_is_written_with_its_values_only_if_they_are_wanted() -> None:
    shown = letter(event(id="evt-1", fields={"email": "jane@example.com"}), {"mail": "jane@x"})
    hidden, whole = (written(shown, NOW, values=values) for values in (False, True))
    assert "jane" not in hidden
    assert "jane@example.com" in whole
    assert "jane@x" in whole
    assert "failed at        2026-11-24T10:30:00+00:00 (1h ago)" in hidden.splitlines()
    assert "not told" in written(replace(shown, failed_at=None), NOW, values=False)
