"""The corpus as data, and each of its events at the parser alone."""

from collections import Counter

import pytest

from service.events import InvalidEvent, parse
from service.messages import Properties
from tests.corpus import CASES
from tests.corpus.case import PRIVATE, Case
from tests.corpus.sizes import LIMIT

GOOD = {"created", "updated", "unmatched", "accepted"}
ASK_FIRST = {"unknown-database", "unknown-field", "invalid-value", "unsafe-selection"}
"""Reasons that may need the database's fields to be told."""


def test_there_are_enough_cases_and_each_is_another_one() -> None:
    assert len(CASES) >= 800
    assert [name for name, times in Counter(case.name for case in CASES).items() if times > 1] == []
    assert [mark for mark, times in Counter(case.mark for case in CASES).items() if times > 1] == []
    messages = Counter((case.body, repr(case.properties), case.raw_header) for case in CASES)
    assert max(messages.values()) == 1


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.raw_header is None], ids=lambda case: case.name
)
def test_the_parser_takes_a_case_or_says_why_not(case: Case) -> None:
    properties = Properties(**case.properties)
    if case.ends in GOOD:
        parse(case.body, properties, LIMIT)
        return
    try:
        parse(case.body, properties, LIMIT)
    except InvalidEvent as error:
        refused = error
    else:
        assert case.ends in ASK_FIRST
        return
    assert refused.reason == case.ends
    assert PRIVATE not in refused.detail
    assert refused.detail.isprintable()
    assert 0 < len(refused.detail) < 1000
