import os
import tempfile
from pathlib import Path

import pytest

from service.commands.exports import line
from service.commands.letter_files import exported, written_whole
from tests.unit.commands.test_dead_letters import letter
from tests.unit.samples import MAX_BYTES, event


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    (said,) = capsys.readouterr().err.splitlines()
    return said


def test_a_file_is_there_once_it_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    with written_whole(file) as write:
        write(b"one\n")
        assert not file.exists()
        write(b"two\n")
    assert file.read_bytes() == b"one\ntwo\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def write_some() -> None:
        with written_whole(tmp_path / "letters.jsonl") as write:
            write(b"one\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_some()
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_there_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text("as it was")
    for there, words in ((file, "is there already"), (tmp_path, "is a folder")):
        with pytest.raises(SystemExit) as ended, written_whole(there):
            pass
        assert ended.value.code == 2
        assert words in complaint(capsys)
    assert file.read_text() == "as it was"


def test_what_comes_by_a_pipe_can_be_read_more_than_once() -> None:
    reading, writing = os.pipe()
    one, two = (letter(event(id=name)) for name in ("a", "b"))
    os.write(writing, f"{line(one)}\n{line(two)}\n".encode())
    os.close(writing)
    with exported(Path(f"/dev/fd/{reading}"), MAX_BYTES) as found:
        assert [[each for each, _ in found] for _ in range(2)] == [[one, two]] * 2
    os.close(reading)


def test_a_file_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    file = tmp_path / "letters.jsonl"
    one = letter(event(id="a"))
    file.write_text(f"{line(one)}\n")
    with exported(file, MAX_BYTES) as found:
        assert [each for each, _ in found] == [one]


def test_a_line_that_is_no_letter_is_told_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text(f"{line(letter())}\n{{\n")
    with pytest.raises(SystemExit) as ended, exported(file, MAX_BYTES) as found:
        list(found)
    assert ended.value.code == 2
    assert f"{file}: line 2 is no JSON" in complaint(capsys)


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, exported(tmp_path / "none", MAX_BYTES):
        pass
    assert ended.value.code == 2
    assert "No such file" in complaint(capsys)
