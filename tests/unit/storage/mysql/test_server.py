"""Which servers are taken, and what is said of those that are not, or do not answer."""

from __future__ import annotations

import pymysql
import pytest

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.errors import Contended
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.address import read_address
from holdfast.storage.mysql.connection import Server
from holdfast.storage.mysql.errors import in_our_words


@pytest.mark.parametrize(
    "version",
    ["10.6.0-MariaDB", "5.5.5-10.11.6-MariaDB-1:10.11", "11.4.2-MariaDB", "8.0.17", "8.4.0", "9.1.0"],
)
def test_a_server_that_is_new_enough(version: str) -> None:
    Server(version).check()


@pytest.mark.parametrize(
    "version", ["10.5.28-MariaDB", "5.5.5-10.3.39-MariaDB", "8.0.16", "5.7.44-log", "unheard of"]
)
def test_a_server_that_is_too_old_is_refused_with_the_cure(version: str) -> None:
    with pytest.raises(StorageRefused, match=r"at least MariaDB 10\.6 or MySQL 8\.0\.17"):
        Server(version).check()


def test_each_server_has_a_collation_that_distinguishes_all_strings() -> None:
    assert Server("10.11.6-MariaDB").collation == "utf8mb4_nopad_bin"
    assert Server("8.0.36").collation == "utf8mb4_0900_bin"


@pytest.mark.parametrize("code", [1205, 1213])
def test_a_deadlock_may_be_run_again(code: int) -> None:
    error = in_our_words(pymysql.err.OperationalError(code, "…"), "here")
    assert isinstance(error, Contended)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pymysql.err.OperationalError(2013, "…"), "connection was lost"),
        (pymysql.err.OperationalError(1290, "--read-only"), "read-only"),
        (pymysql.err.OperationalError(1040, "…"), "max_connections"),
        (pymysql.err.InterfaceError(0, ""), "connection is lost"),
    ],
)
def test_what_speaks_of_the_server_is_unavailable_and_safe_to_repeat(error: Exception, words: str) -> None:
    ours = in_our_words(error, "ann@host:3306/db")
    assert isinstance(ours, StorageUnavailable)
    assert not isinstance(ours, Contended)
    assert words in str(ours)
    assert "safe to repeat" in str(ours)


def test_what_speaks_of_one_value_is_left_as_it_is() -> None:
    assert in_our_words(pymysql.err.DataError(1406, "Data too long"), "here") is None


def test_a_server_that_does_not_respond_is_reported() -> None:
    store = MysqlStore(read_address("mysql://ann:s3cret@127.0.0.1:1/db"))
    with pytest.raises(StorageUnavailable, match="cannot be reached") as caught:
        store.open()
    assert "s3cret" not in str(caught.value)
