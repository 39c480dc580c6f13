"""The kind of a database is found by its URL; a missing driver is reported by name."""

from __future__ import annotations

import sys

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.storage.backends import kind_of


@pytest.mark.parametrize(
    ("scheme", "driver", "extra"), [("postgresql", "psycopg", "postgres"), ("mariadb", "pymysql", "mysql")]
)
def test_a_missing_driver_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, scheme: str, driver: str, extra: str
) -> None:
    for name in [
        name for name in sys.modules if name.partition(".")[0] == driver or f"storage.{extra}." in name
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, driver, None)
    message = rf"needs {driver}, which is not installed: pip install '/path/to/holdfast\[{extra}\]'"
    with pytest.raises(ConfigurationError, match=message):
        kind_of(f"{scheme}://host/db")


def test_a_driver_with_a_missing_dependency_is_reported_with_the_real_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """psycopg without libpq raises ImportError, which is no ModuleNotFoundError and has several lines."""

    def no_libpq(_: str) -> None:
        raise ImportError("no pq wrapper available.\nAttempts made:\n- couldn't import psycopg_c")

    monkeypatch.setattr("holdfast.storage.backends.import_module", no_libpq)
    with pytest.raises(ConfigurationError, match=r"\(no pq wrapper available\.\): pip install") as caught:
        kind_of("postgresql://host/db")
    assert "Attempts" not in str(caught.value)


@pytest.mark.parametrize("url", ["ann:s3cret@host://db", "s3cret cret://db", "s3cret"])
def test_only_what_may_be_a_scheme_is_shown_of_an_unknown_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a database that is known") as caught:
        kind_of(url)
    assert "s3cret" not in str(caught.value)
