"""What a URL names, and that a mistake in it shows no password."""

from __future__ import annotations

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.storage.backends import StoreOptions, kind_of
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.address import Address, read_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mysql://ann:s3@db.example:3307/jobs", Address("db.example", 3307, "jobs", "ann", "s3")),
        ("mariadb://ann@db.example/jobs", Address("db.example", 3306, "jobs", "ann")),
        ("mysql://a%40b:p%2Fw%3A@h/d%C3%A4", Address("h", 3306, "dä", "a@b", "p/w:")),
        ("mysql:///jobs?socket=/run/my.sock", Address("127.0.0.1", 3306, "jobs", "root", "", "/run/my.sock")),
        ("mysql://h/d?ssl_ca=/etc/ca.pem", Address("h", 3306, "d", "root", "", None, "/etc/ca.pem")),
    ],
)
def test_what_a_url_names(url: str, address: Address) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:s3cret@host",
        "mysql://ann:s3cret@host/",
        "mysql://ann:s3cret@host/a/b",
        "mysql://ann:s3cret@host:port/db",
        "mysql://ann:s3cret@host/db?durability=s3cret",
        "mysql://s3cret",
    ],
)
def test_a_url_of_the_wrong_shape_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="mysql://user:password@host") as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)


def test_nothing_that_is_shown_has_the_password() -> None:
    address = read_address("mysql://ann:s3cret@host/db")
    assert address.shown == "ann@host:3306/db"
    assert "s3cret" not in repr(address)
    assert "s3cret" not in str(kind_of("mysql://ann:s3cret@host/db").care("mysql://ann:s3cret@host/db").place)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_both_schemes_lead_to_the_store(scheme: str) -> None:
    url = f"{scheme}://ann@host/db"
    assert isinstance(kind_of(url).store(url, StoreOptions()), MysqlStore)
