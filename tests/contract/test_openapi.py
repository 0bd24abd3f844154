"""The stand-in against its own OpenAPI document: requests of all kinds, made by schemathesis."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.standins import TOKEN, StandIn, running
from tests.standin import openapi

VERSIONS = ("/v1", "/v2", "/v3", "/v4")
FIELDS = ("customerid", "email", "age", "country", "birthday", "optin", "id", "modified")
OPERATORS = ("==", "!=", "<>", "<", ">", "<=", ">=", "=~", "!~")

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Request: TypeAlias = Case[Any]

SCHEMA = schemathesis.openapi.from_dict(openapi.document())
AS_DOCUMENTED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SETTINGS = settings(
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

conditions = st.lists(
    st.builds("".join, st.tuples(st.sampled_from(FIELDS), st.sampled_from(OPERATORS), st.text())),
    min_size=1,
    max_size=3,
)
values: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(FIELDS),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
)


@dataclass
class Caller:
    """Sends generated requests, each with a good token, and counts them."""

    standin: StandIn
    made: int = 0
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        form = {"access_token": TOKEN}
        self.jwt = self.standin.send("POST", "/authenticate", data=form).text

    def check_all(self, cases: st.SearchStrategy[Request], version: str, examples: int) -> None:
        """Check some requests; what they order or load is taken back after each."""

        @seed(self.made)  # Other requests for each kind and version, but the same in each run.
        @settings(SETTINGS, max_examples=examples)
        @given(case=cases)
        def check(case: Request) -> None:
            self.check(case, version)
            if case.path in ("/__standin/faults", "/__standin/seed"):
                self.standin.send("DELETE", case.path)
            if case.path == "/__standin/token":
                self.standin.send("PUT", case.path, json={"token": TOKEN})

        check()

    def check(self, case: Request, version: str) -> None:
        """Send a request, and compare the answer with the document.

        Raises:
            FailureGroup: the answer is not as documented.
        """
        host, port = self.standin.address
        token = {} if version == "/v4" else {"access_token": TOKEN}
        case.query = {**(case.query or {}), **token}
        answer = case.call(
            base_url=f"http://{host}:{port}{version}",
            session=self.session,
            headers={"Authorization": f"Bearer {self.jwt}"},
            allow_redirects=False,
        )
        self.made += 1
        case.validate_response(answer, checks=AS_DOCUMENTED)


@pytest.fixture
def caller() -> Iterator[Caller]:
    with running("--put-result", "empty") as standin:
        caller = Caller(standin)
        with caller.session:
            yield caller


def operations() -> list[Operation]:
    """Give the operations; those of the stand-in itself last."""
    results = list(SCHEMA.get_all_operations())
    every = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(every) == len(results)
    return sorted(every, key=lambda operation: "stand-in" in (operation.tags or []))


def versions(operation: Operation) -> tuple[str, ...]:
    """Return the versions that know an operation; some know none."""
    return ("",) if "servers" in SCHEMA.raw_schema["paths"][operation.path] else VERSIONS


def strategies(operation: Operation, number: int) -> Iterator[st.SearchStrategy[Request]]:
    """Give what to draw from: right requests, wrong ones, and those about a profile there is."""
    yield operation.as_strategy()
    if operation.body or any(operation.iter_parameters()):
        yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    if operation.path_parameters:
        yield known(operation, number)


@st.composite
def known(draw: st.DrawFn, operation: Operation, number: int) -> Request:
    """Draw a request about the database or a profile in it, with fields that it has."""
    names = {parameter.name for parameter in operation.path_parameters}
    there: dict[str, Any] = {"database": "1234", "profile": number}
    case: Request = draw(operation.as_strategy(path_parameters={n: there[n] for n in names}))
    if any(parameter.name == "fields[]" for parameter in operation.query):
        case.query = {**(case.query or {}), "fields[]": draw(conditions)}
    if isinstance(case.body, dict) and "fields" in case.body:
        case.body["fields"] = draw(values)
    return case


@pytest.mark.parametrize(
    ("examples", "least"), [(2, 300), pytest.param(7, 1000, marks=pytest.mark.slow)]
)
def test_every_request_is_answered_as_documented(caller: Caller, examples: int, least: int) -> None:
    """Many requests of each kind: never a 5xx; status, content type and body as documented.

    Rules of faults, seeds and tokens are generated too. They are taken back after each request,
    before they meet one: else the requests after them would meet a fault, or find nothing.
    """
    for operation in operations():
        for version in versions(operation):
            number = caller.standin.post({"fields": {"customerid": "4567"}}, database="1234")
            for cases in strategies(operation, number):
                caller.check_all(cases, version, examples)
    assert caller.made >= least


def test_a_server_error_is_noticed(caller: Caller) -> None:
    """The test above can fail."""
    caller.standin.send("PUT", "/__standin/faults", json={"status": 500, "until_reset": True})
    operation = SCHEMA["/identity"]["GET"]
    with pytest.raises(FailureGroup):
        caller.check(operation.Case(), "/v2")
