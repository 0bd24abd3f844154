"""Unit tests: no socket, no waiting, nothing from the environment, the same examples each time."""

import asyncio
import os
from collections.abc import Callable, Mapping

import hypothesis
import pytest

from service.environment import PREFIX
from tests.unit.doubles import HurriedLoop

hypothesis.settings.register_profile(
    "unit", derandomize=True, deadline=None, max_examples=30, database=None
)
hypothesis.settings.load_profile("unit")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run all async tests in a loop that does not wait."""
    return {"hurried": HurriedLoop}


@pytest.fixture(autouse=True)
def _empty_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in os.environ:
        if name.startswith((PREFIX, "SSL_CERT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}SECRETS_DIR", str(tmp_path_factory.getbasetemp()))
