"""Fuzz the parsers, or try inputs again: `./dev fuzz --help`."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.corpus import CASES
from tests.fuzz.targets import STATUSES, TARGETS

KEPT = Path(__file__).parent / "corpus"
_LONGEST = 4096  # bytes of an input
_SLOWEST = 5  # seconds for one input
_MEMORY = 1024  # MB
_EVERY = 15.0  # seconds between two lines of progress
_PROGRESS = re.compile(r"#(\d+)\s.*?cov: (\d+) .*?corp: (\d+)/")


@dataclass
class Running:
    """A target that is being fuzzed; its output goes to a file."""

    target: str
    output: Path
    process: subprocess.Popen[bytes]

    @property
    def progress(self) -> tuple[int, int, int]:
        """Inputs tried, code reached and inputs that reach it, as last told."""
        told = _PROGRESS.findall(self.output.read_text(errors="replace"))
        runs, reached, inputs = map(int, told[-1]) if told else (0, 0, 0)
        return runs, reached, inputs


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; exit code 1 if something was found."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz",
        description="Try inputs that reach ever more of the parsers of events and answers.",
        epilog="A finding is written to a file, with the command that tries it again.",
    )
    parser.add_argument("--minutes", type=float, default=1, help="how long, each (default: 1)")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--keep", action="store_true", help=f"keep what reaches more, in {KEPT}")
    parser.add_argument("--again", type=Path, metavar="FILE", help="try one input again")
    options = parser.parse_args(arguments)
    targets = [options.target] if options.target else list(TARGETS)
    if options.again:
        if not options.target:
            parser.error("--again needs the --target")
        TARGETS[options.target](options.again.read_bytes())
        print("nothing is wrong with it")
        return 0
    with tempfile.TemporaryDirectory(prefix="profile-sync-fuzz-") as folder:
        return _fuzz(targets, options.minutes * 60, Path(folder), keep=options.keep)


def _fuzz(targets: Sequence[str], seconds: float, folder: Path, *, keep: bool) -> int:
    running = [_start(target, seconds, folder) for target in targets]
    try:
        _wait(running)
    except KeyboardInterrupt:
        print("stopped")
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
    findings = sum(tell(one) for one in running)
    if keep and not findings:
        for target in targets:
            _merge(target, folder)
    return 1 if findings else 0


def _start(target: str, seconds: float, folder: Path) -> Running:
    inputs = folder / target
    inputs.mkdir()
    for number, seed in enumerate(seeds(target)):
        (inputs / f"seed-{number}").write_bytes(seed)
    (KEPT / target).mkdir(parents=True, exist_ok=True)
    words = folder / f"{target}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _WORDS[target]))
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", target, f"{inputs}", f"{KEPT / target}"),
        *(
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={_LONGEST}",
            f"-timeout={_SLOWEST}",
        ),
        *(f"-rss_limit_mb={_MEMORY}", f"-dict={words}", f"-artifact_prefix=fuzz-{target}-"),
    ]
    output = folder / f"{target}.log"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    return Running(target, output, process)


def _wait(running: Sequence[Running]) -> None:
    told = time.monotonic()
    while any(one.process.poll() is None for one in running):
        time.sleep(0.2)
        if time.monotonic() - told >= _EVERY:
            told = time.monotonic()
            print("; ".join(_line(one) for one in running), flush=True)


def _line(one: Running) -> str:
    runs, reached, inputs = one.progress
    return f"{one.target}: {runs:,} inputs, {reached:,} places reached by {inputs:,}"


def tell(one: Running) -> bool:
    """Print what came of a target; True if something was found."""
    print(_line(one))
    if one.process.returncode in (0, -9) and "Test unit written" not in one.output.read_text(
        errors="replace"
    ):
        return False
    text = one.output.read_text(errors="replace")
    print(text[-3000:])
    if written := re.search(r"Test unit written to (\S+)", text):
        print(f"again: ./dev fuzz --target {one.target} --again {written[1]}")
    return True


def _merge(target: str, folder: Path) -> None:
    """Keep of what was tried the fewest short inputs that reach all that was reached."""
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", target, "-merge=1", "-max_len=256"),
        *(f"{KEPT / target}", f"{folder / target}"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    print(f"{target}: {len(list((KEPT / target).iterdir()))} inputs kept")


def seeds(target: str) -> Iterator[bytes]:
    """Begin with what people could think of."""
    if target == "event":
        for case in CASES:
            if len(case.body) < _LONGEST:
                yield (b"\1" if case.name.startswith("cloud events") else b"\0") + case.body
        return
    bodies = (
        b'[{"ID":"1","fields":{"customerid":"4567"},"created":"2026-11-23 11:00:00"}]',
        b'{"error":{"message":"No database with supplied ID"}}',
        b'{"data":[],"total":0}',
        b"<html><title>502 Bad Gateway</title></html>",
        b"",
    )
    for body in bodies:
        if target == "answer":
            head = b"retry-after: 30\nlocation: /v2/profile/7\n\n"
            yield from (bytes([status]) + head + body for status in range(len(STATUSES)))
        else:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            yield b"\x09" + head + body
            yield b"\x40HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (
                b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            )


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


_WORDS = {
    "event": (
        *("id", "occurred_at", "database", "where", "expect", "many", "one", "create", "async"),
        *("coalesce", "fields", "interests", "customerid", "firstname", "country", "integerfield"),
        *("floatfield", "datefield", "specversion", "data", "true", "false", "null", "==", "=~"),
        *('"', "{", "}", "[", "]", ":", ",", "\\u", "2026-11-23T10:00:00Z"),
    ),
    "answer": (
        *("error", "message", "ID", "fields", "created", "modified", "secret", "data", "total"),
        *("x-created:", "location:", "retry-after:", "date:", "content-type: text/html", "x-cut:"),
        *("Invalid access token", "No database with", "2026-11-23 11:00:00", "/profile/1"),
    ),
    "reply": (
        *("HTTP/1.1 ", "HTTP/1.0 ", "200", "100", "303", "204", "\r\n", "\r\n\r\n", "0\r\n\r\n"),
        *("Content-Length: ", "Transfer-Encoding: chunked", "Connection: close", "Upgrade: h2c"),
    ),
}


if __name__ == "__main__":
    sys.exit(main())
