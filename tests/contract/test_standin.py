"""What the stand-in is besides an API: its start and end, its options, its speed."""

import json
import re
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.standins import ROOT, StandIn, eventually, running, selection
from tests.contract.wire import IDENTITY, Wire
from tests.standin import faults, seed
from tests.standin.clock import Clock
from tests.standin.rule import HOW_OFTEN
from tests.standin.values import TYPES


def start(*options: str) -> subprocess.CompletedProcess[str]:
    """Start a stand-in that will end by itself."""
    command = [sys.executable, "-m", "tests.standin", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def pieces(wire: Wire) -> int:
    """Count the segments with data that a connection has received, where Linux tells it."""
    if sys.platform != "linux":
        return 0
    about = wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    count: int = struct.unpack_from("I", about, 152)[0]  # tcpi_data_segs_in
    return count


def test_an_answer_is_one_piece(api: StandIn, key: str) -> None:
    """Head and body come together, so that nobody waits for a delayed acknowledgement."""
    body = {"fields": {"customerid": key}}
    query = selection([f"customerid=={key}"], create=1)
    with Wire(api) as wire:
        for n in range(50):
            wire.send("PUT", "database/1234/profiles", query, body)
            answer = wire.socket.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b'"removed":false}]')
            assert pieces(wire) in (0, n + 1)


def test_every_answer_has_a_date(api: StandIn, key: str) -> None:
    """The Date header lets a client read Retry-After as a date."""
    answers = [
        api.call("GET", "identity"),
        api.call("GET", "nonsense"),
        api.put([f"customerid=={key}"], {}),
        api.put([f"customerid=={key}"], {}, version="/v3"),
    ]
    with api.faults({"status": 503}):
        answers.append(api.call("GET", "identity"))
    assert all("Date" in answer.headers for answer in answers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end with 0, whether connections are idle, waiting or dripping."""
    rules = [{"trickle": 60, "times": 1}, {"latency": 60, "method": "GET"}]
    with running("--async-delay", "60") as standin, Wire(standin) as waiting, Wire(standin) as slow:
        assert standin.call("GET", "database/customers/fields").json()["count"] == 9
        standin.put(["customerid==x"], {}, database="1234", background=1)
        standin.forget()
        standin.send("PUT", "/__standin/faults", json=rules)
        slow.send("PUT", "database/1234/profiles", "fields[]=customerid==x&create=1", {})
        slow.socket.recv(1)
        waiting.socket.sendall(IDENTITY)
        eventually(lambda: len(standin.journal()) == 2)
        standin.process.send_signal(number)
        rest, _ = standin.process.communicate(timeout=30)
        assert (standin.process.returncode, rest) == (0, "")
        assert waiting.rest() == b""


def test_the_first_line_tells_the_url() -> None:
    """One line of JSON on stdout, once it listens."""
    command = [sys.executable, "-m", "tests.standin", "--put-result=empty", "--host=127.0.0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", told["url"])
        assert match
        socket.create_connection(("127.0.0.1", int(match[1])), timeout=30).close()
        process.terminate()
        assert process.wait(30) == 0
    assert (told["put_result"], told["auth_url"]) == ("empty", f"{told['url']}/authenticate")


def test_its_port_may_be_taken(api: StandIn) -> None:
    """One line on stderr without a traceback, and exit code 1."""
    ended = start("--port", str(api.address[1]))
    assert (ended.returncode, ended.stdout) == (1, "")
    told = "cannot listen on 127.0.0.1 port {}: Address already in use: another --port, or 0 for a"
    assert ended.stderr == f"{told.format(api.address[1])} free one\n"


OPTIONS = """
--host --port --token --seed-file --latency --faults --seed --deterministic --put-result
--put-update-status --unknown-field --unknown-body-field --interests --unauthorized-status
--async-delay --think-time --atomic-upsert --count-errors --rate-limit --rate-limit-answer
--blocked-domain --jwt-seconds
"""


def test_help_tells_every_option() -> None:
    """With a name each, and how the journal and the faults are reached."""
    ended = start("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    for option in OPTIONS.split():
        assert re.search(rf"^ *{option}\b", ended.stdout, re.MULTILINE), option
    assert "/__standin" in ended.stdout


def test_help_tells_what_to_write() -> None:
    """How to start it, every type of a field, how often a fault happens, where version 4 goes."""
    told = start("--help").stdout
    assert told.startswith("usage: ./dev standin [options]\n")
    assert told.count("python -m tests.standin") == 1
    words = " ".join(told.split())
    assert HOW_OFTEN in words
    for field_type in TYPES:
        assert re.search(rf"types of fields: .*\b{field_type}\b", words), field_type
    for telling in ("AUTH_URL is the auth_url", "the load balancer's page", "the word none"):
        assert telling in words


def test_every_fault_that_help_shows_is_one() -> None:
    """It is read as it stands there; 1 PUT of 100 is about PUTs alone."""
    shown = start("--help").stdout.split("some faults")[1].split("seed file")[0]
    written = re.findall(r'^  (\{"[a-z].*?\}+)(?:  |$)', shown, re.MULTILINE)
    rules = [rule for each in written for rule in faults.parse(json.loads(each))]
    assert len(rules) == 7
    assert [rule.method for rule in rules if rule.rate] == ["PUT"]


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--put-result=all", "invalid choice: 'all'"),
        ("--put-update-status=204", "invalid choice: 204"),
        ("--put-update-status=abc", "'abc' is no whole number"),
        ("--async-delay=-1", "write a number of seconds from 0 up"),
        ("--async-delay=soon", "'soon' is no number of seconds"),
        ("--latency=slow", "write a number of seconds, or a distribution"),
        ('--latency={"uniform": [1]}', "latency.uniform: must list at least 2"),
        ("--rate-limit=0", "write a number from 1 up"),
        ("--deterministic=yesterday", "write an instant such as 2026-"),
        ("--port=99999", "write a number from 0 to 65535"),
        ("--port=-1", "write a number from 0 to 65535"),
        ("--token=", "a token must not be empty"),
        ("--jwt-seconds=-5", "write a number of seconds above 0"),
        ("--jwt-seconds=inf", "write a number of seconds above 0"),
        ("--nonsense", "unrecognized arguments"),
    ],
)
def test_an_option_that_makes_no_sense_ends_the_start(option: str, complaint: str) -> None:
    """Exit code 2; the option is named, and what is to be written."""
    ended = start(option)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert option.partition("=")[0] in ended.stderr
    assert complaint in ended.stderr
    assert " value: " not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        '{"statsu": 503}',
        '[{"status": 503}, {"rate": 2}]',
        '{"status": 1, "status": 503}',
    ],
)
def test_a_bad_file_of_faults_ends_the_start(tmp_path: Path, content: str | None) -> None:
    """One sentence on stderr without a traceback, and exit code 1."""
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content, "utf-8")
    ended = start("--faults", str(path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr


FIELD = '{{"databases": [{{"id": 1, "name": "x", "fields": [{{{}}}]}}]}}'
MANY = [{"name": f"f{number}", "type": "text"} for number in range(1501)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting"),
        ('{"databases": [{"id": 1, "name": "\\ud83d"}]}', "surrogates not allowed"),
        ("[]", "the seed must be an object"),
        ('{"databases": [{"id": "1", "name": "x"}]}', "databases[0]: id must be"),
        ('{"databases": [{"id": 1}]}', "databases[0]: name must be a text"),
        (
            '{"databases": [{"id": 1, "name": "x", "fields": [{"name": "a", "type": "int"}]}]}',
            "databases[0].fields[0]: type 'int' is none of big, date",
        ),
        (
            '{"databases": [{"id": 1, "name": "x", "profiles": [{"fields": {"a": 1}}]}]}',
            "databases[0].profiles[0]: there is no field 'a'",
        ),
        ('{"databases": [{"id": 1, "name": "x", "intrests": []}]}', "unknown key 'intrests'"),
        ('{"databases": [], "databases": []}', 'the key "databases" is written twice'),
        (FIELD.format('"name": "a"'), "fields[0]: type is needed, one of big, date"),
        (FIELD.format('"name": "a", "type": []'), "fields[0]: type [] is none of big, date"),
        (FIELD.format('"name": "a", "type": "select"'), "fields[0]: type select needs choices"),
        (
            FIELD.format('"name": "a", "type": "text", "choices": ["b"]'),
            "fields[0]: choices belong to the type select",
        ),
        (
            FIELD.format('"name": "a", "type": "select", "choices": ["b"], "default": "c"'),
            "fields[0]: default 'c' is none of the choices",
        ),
        (
            FIELD.format('"name": "a", "type": "text", "index": "yes"'),
            "fields[0]: index must be true or false, not 'yes'",
        ),
        (
            FIELD.format('"name": "first name", "type": "text"'),
            "fields[0]: name 'first name' must be a letter, then letters, digits or _",
        ),
        (FIELD.format('"name": "1st", "type": "text"'), "must be a letter, then"),
        (FIELD.format('"name": "naïf", "type": "text"'), "must be a letter, then"),
        (
            json.dumps({"databases": [{"id": 1, "name": "x", "fields": MANY}]}),
            "databases[0]: 1501 fields, but 1500 are the most there can be",
        ),
    ],
)
def test_a_bad_seed_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    """The complaint names the place and the mistake."""
    path = tmp_path / "seed.json"
    path.write_text(text, "utf-8")
    with pytest.raises(seed.SeedError, match=re.escape(complaint)):
        seed.read(path, Clock())


def test_a_bad_seed_file_ends_the_start(tmp_path: Path) -> None:
    """One line on stderr without a traceback, and exit code 1."""
    ended = start("--seed-file", str(tmp_path / "absent"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("seed file ")
    assert ended.stderr.count("\n") == 1
