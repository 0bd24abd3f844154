import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.commands.terminal import explained, in_columns

UUID = "172e9817-b306-5d25-af21-0238f8aeb170"
TITLES = ["ID", "REASON", "DETAIL"]


def test_a_row_that_fits_is_one_line() -> None:
    rows = [TITLES, ["evt-1", "invalid-json", "a"], ["evt-10", "", "b"]]
    assert list(in_columns(rows, 40)) == [
        "ID      REASON        DETAIL",
        "evt-1   invalid-json  a",
        "evt-10                b",
    ]


def test_what_does_not_fit_goes_below_and_only_words_are_parted() -> None:
    detail = "fields.fristname: there is no such field; did you mean firstname?"
    rows = [TITLES, [UUID, "unknown-field", detail], ["evt-1", "stale", ""]]
    assert list(in_columns(rows, 60)) == [
        f"{'ID':36}  REASON\n    DETAIL",
        f"{UUID}  unknown-field\n"
        "    fields.fristname: there is no such field; did you mean\n"
        "    firstname?",
        f"{'evt-1':36}  stale",
    ]


def test_wide_characters_are_counted_as_a_terminal_shows_them() -> None:
    rows = [["é", "x"], ["名", "y"]]
    width = {"é": 1, "名": 2, "x": 1, "y": 1}.__getitem__
    assert list(in_columns(rows, 40, width)) == ["é   x", "名  y"]


WORDS = st.text(st.characters(categories=["L", "N", "P"]), max_size=60)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1), st.integers(5, 90))
def test_nothing_is_cut_however_narrow_the_terminal_is(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    for row, shown in zip(rows, in_columns(rows, width), strict=True):
        assert shown.split() == [cell for cell in row if cell]


def test_what_has_nothing_to_do_with_what_is_written_is_not_blamed_on_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, explained():
        raise OSError(errno.EMFILE, "Too many open files")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "profile-sync: Too many open files\n"
