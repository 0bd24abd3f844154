"""README's page about the stand-in: what its curl lines print, in their order."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.contract.standins import ROOT, StandIn, running
from tests.standin.rule import HOW_OFTEN

README = (ROOT / "README.md").read_text()
SECTION = README.split("## The stand-in for the API\n")[1].split("\n## ")[0]
ADDRESS = "127.0.0.1:8080"


def examples() -> Iterator[tuple[str, str]]:
    """Return each command of the section, with what README says that it prints."""
    for block in re.findall(r"```console\n(.*?)```", SECTION, flags=re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = example.replace("\\\n", " ").partition("\n")
            yield command, printed.strip()


def pattern(printed: str) -> str:
    """Return a pattern for what README says is printed, in which `...` stands for anything."""
    return ".*".join(re.escape(part) for part in printed.split("..."))


def test_what_readme_shows_is_what_is_printed() -> None:
    """The stand-in is started as README says, on a free port; then each curl line is run."""
    (start, ready), *calls = examples()
    program, command, *options = shlex.split(start)
    assert (program, command) == ("./dev", "standin")
    port = options.index("--port")
    with running(*options[:port], *options[port + 2 :]) as standin:
        assert json.loads(ready) == {
            "url": f"http://{ADDRESS}",
            "auth_url": f"http://{ADDRESS}/authenticate",
            "put_result": "list",
        }
        lines = [(line, printed) for line, printed in calls if line.startswith("curl ")]
        assert len(lines) >= 6
        for line, printed in lines:
            check(standin, line, printed)


def test_the_event_of_readme_fits_the_data_of_the_start() -> None:
    """All that it says is kept: the database, its fields and its interests are there."""
    event = json.loads(README.split("## The event\n")[1].split("```json\n")[1].split("```")[0])
    conditions = [f"{name}=={value}" for name, value in event["where"].items()]
    body = {name: event[name] for name in ("fields", "interests")}
    with running("--put-result", "list") as standin:
        answer = standin.put(conditions, body, database=str(event["database"]), create=1)
        known = standin.call("GET", f"database/{event['database']}/interests").json()["data"]
    (profile,) = answer.json()
    assert event["fields"].items() <= profile["fields"].items()
    assert profile["interests"] == [name for name, on in event["interests"].items() if on]
    assert set(event["interests"]) <= {interest["name"] for interest in known}


def test_readme_tells_how_often_a_fault_happens() -> None:
    """In the words of the document of the calls."""
    assert HOW_OFTEN in " ".join(SECTION.split())


def check(standin: StandIn, line: str, printed: str) -> None:
    """Run a curl line against the stand-in, and compare what it prints."""
    address = "{}:{}".format(*standin.address)
    curl, *arguments = shlex.split(line.replace(ADDRESS, address))
    if shutil.which(curl) is None:
        pytest.skip("curl is not installed")
    ended = subprocess.run(
        [curl, "--silent", *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    shown = ended.stdout.strip().replace(address, ADDRESS)
    assert re.fullmatch(pattern(printed), shown), f"{line}\nprints\n{shown}"
