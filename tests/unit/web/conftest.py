from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.unit.web.support import Lab, served


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An app on a store of its own, shared by the tests of one module."""
    lab = Lab(tmp_path_factory.mktemp("web"))
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def address(lab: Lab) -> Iterator[str]:
    """Where its web app is served."""
    with served(lab) as url:
        yield url


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    """A program that talks to it."""
    with httpx.Client(base_url=address, timeout=20) as client:
        yield client
