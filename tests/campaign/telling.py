"""Judges what the service's processes tell: their metrics, their outputs."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias
from urllib.parse import quote, quote_plus

from prometheus_client.parser import text_string_to_metric_families

from tests.campaign.evidence import Evidence, some

Samples: TypeAlias = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""Numbers by name and labels, without those of the Python process itself."""

_LONGEST_LINE = 8192
_RISING = ("_total", "_bucket", "_count", "_sum")

_OUTCOMES = ("updated", "created", "unmatched", "accepted", "rejected", "failed")
_REASONS = (
    "attempts-exhausted", "database-not-allowed", "invalid-event", "invalid-json", "invalid-value",
    "refused", "result-too-large", "stale", "too-large", "undecodable-headers", "unknown-database",
    "unknown-field", "unsafe-selection", "unsupported-encoding",
)  # fmt: skip
_API_CAUSES = ("outage", "token", "configuration")
_CALLS = (
    "get-database", "get-fields", "get-identity", "get-interests", "get-profile", "get-profiles",
    "post-token", "probe-selection", "put-profiles",
)  # fmt: skip
_STATUSES = (
    "2xx", "3xx", "4xx", "5xx", "CloseError", "ConnectError", "ConnectTimeout", "DecodingError",
    "LocalProtocolError", "PoolTimeout", "ProxyError", "ReadError", "ReadTimeout",
    "RemoteProtocolError", "TooManyRedirects", "UnsupportedProtocol", "WriteError", "WriteTimeout",
)  # fmt: skip
_VALUES: Mapping[str, Sequence[str]] = {
    "call": _CALLS,
    "cause": (*_API_CAUSES, "refusals", "unroutable", "blocked", "selection-guard"),
    "outcome": _OUTCOMES,
    "reason": ("", *_REASONS),
    "status": _STATUSES,
}
_OPEN = ("le", "version")  # the bounds of a histogram, and the one version there is


def samples(page: str) -> Samples:
    """Read what a page of metrics tells."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("profile_sync_")
    }


def no_token_anywhere(evidence: Evidence) -> Iterator[str]:
    """I11: the access token is in no output, metric, result or dead letter, however written."""
    places = dict(evidence.outputs)
    for seen in evidence.vitals:
        places[f"the metrics of {seen.name}"] = seen.page
    for name, messages in (("results", evidence.results), ("letters", evidence.dead_letters)):
        places[name] = "\n".join(f"{each}" for each in messages)
    forms = {form for token in evidence.tokens for form in _forms(token)}
    for name, text in places.items():
        if any(form in text for form in forms):
            yield f"the token is in {name}"


def _forms(token: str) -> Iterator[str]:
    yield from (token, quote(token, safe=""), quote_plus(token), json.dumps(token)[1:-1])
    for shift in range(3):  # as a part of something longer, base64 writes it in three ways
        coded = b64encode(b"_" * shift + token.encode()).decode().rstrip("=")
        yield coded[4 if shift else 0 : -2]


def metrics_are_as_documented(evidence: Evidence) -> Iterator[str]:
    """I14: labels have only their few values, and what is counted never becomes less."""
    strange: set[str] = set()
    for name, pages in _pages(evidence).items():
        for page in pages:
            strange |= {f"{each} of {name}" for each in _strange(page)}
        for before, after in pairwise(pages):
            less = [key for key in before if key[0].endswith(_RISING) and _fell(key, before, after)]
            if less:
                yield f"{name} counts less than before: {some([f'{key}' for key in less])}"
    if strange:
        yield f"{len(strange)} labels have undocumented values: {some(sorted(strange))}"


def _pages(evidence: Evidence) -> dict[str, list[Samples]]:
    """Give what each process told, one page after the other."""
    found: dict[str, list[Samples]] = {}
    for each in evidence.vitals:
        if each.page:
            found.setdefault(each.name, []).append(samples(each.page))
    return found


def _strange(page: Samples) -> Iterator[str]:
    for name, labels in page:
        for label, value in labels:
            if label not in _OPEN and value not in _VALUES.get(label, ()):
                yield f'{name}{{{label}="{value}"}}'


def _fell(key: tuple[str, tuple[tuple[str, str], ...]], before: Samples, after: Samples) -> bool:
    return after.get(key, 0) < before[key]


def events_are_counted(evidence: Evidence) -> Iterator[str]:
    """I14: what came and was finished, as counted, is what was handed over and has a result."""
    last = {name: pages[-1] for name, pages in _pages(evidence).items()}
    for name in evidence.survivors:
        page = last.get(name, {})
        received, finished = _sum(page, "events_received"), _sum(page, "events_finished")
        lost_links = max(_sum(page, "broker_links") - 1, 0)
        given_up = lost_links + _sum(page, "partition_handovers") / evidence.partitions
        if not page:
            yield f"{name} tells no metrics"
        elif not 0 <= received - finished <= given_up * evidence.window:
            yield f"{name} received {received:g} events, finished {finished:g}, and holds none"
    said = _said_in_the_end(evidence)
    counted = sum(said.get(name, _sum(page, "events_finished")) for name, page in last.items())
    results = len(evidence.results) + evidence.destroyed
    # What a process has done since the last look at it, when it is killed, nobody has counted.
    unseen = len(last.keys() - said.keys()) * evidence.window
    ended = len({each.uid for each in evidence.results})
    if not ended - unseen <= counted <= results:
        yield f"{counted:g} events are counted as finished: {ended} have {results} results"


def _said_in_the_end(evidence: Evidence) -> dict[str, float]:
    """Give how many events each process that was not killed has counted as finished."""
    found: dict[str, float] = {}
    for name, text in evidence.outputs.items():
        for line in text.splitlines():
            if '"message": "stopped"' in line and is_object(line):
                told = json.loads(line)
                found[name.removesuffix(".log")] = sum(told.get(each, 0) for each in _OUTCOMES)
    return found


def _sum(page: Samples, name: str) -> float:
    return sum(value for key, value in page.items() if key[0] == f"profile_sync_{name}_total")


def outputs_are_json(evidence: Evidence) -> Iterator[str]:
    """I15: each line of the service is a JSON object of bounded length."""
    for name, text in evidence.outputs.items():
        for line in text.splitlines():
            if len(line) > _LONGEST_LINE or not is_object(line):
                yield f"{name} has a line that is no JSON object: {line[:200]}"
                break


def is_object(line: str) -> bool:
    """Tell whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
