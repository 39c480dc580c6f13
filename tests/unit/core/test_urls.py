"""What a URL names, and that nothing shown of it has its password, however badly it is written."""

from __future__ import annotations

import pytest

from holdfast.core.urls import masked, split_url

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "hosts", "path"),
    [
        ("postgresql://ann:s3cret@h:1/db", "h:1", "/db"),
        ("postgresql://%2Frun%2Fpg/db", "%2Frun%2Fpg", "/db"),
        ("postgresql:///db?host=/run/pg", "", "/db"),
        ("postgresql://a,b:2,[::1]:3/db", "a,b:2,[::1]:3", "/db"),
        ("postgresql://ann:a#b?c@h/db", "h", "/db"),
        ("mysql://h", "h", ""),
    ],
)
def test_the_parts_are_those_that_libpq_finds(url: str, hosts: str, path: str) -> None:
    parts = split_url(url)
    assert (parts.hosts, parts.path, str(parts)) == (hosts, path, url)


def test_parameters_stay_as_they_were_written() -> None:
    parts = split_url("postgresql:///db?schema=a%20b&options=-c%20x%3D1&host=/a+b")
    assert parts.parameter("schema") == "a b"
    assert str(parts.without("schema")) == "postgresql:///db?options=-c%20x%3D1&host=/a+b"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret/x@host/db",
        "postgresql://ann:x@s3cret@host/db",
        "postgresql://ann:s3cret/db",
        "postgresql://ann@x:s3cret@host/db",
        "postgresql://[s3cret/db",
        "ann:s3cret@host/db",
    ],
)
def test_a_url_whose_password_was_cut_apart_is_refused_without_it(url: str) -> None:
    with pytest.raises(ValueError, match="has ") as caught:
        split_url(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@host/db",
        "postgresql://ann:s3cret/x@host/db",
        "postgresql://ann:x@s3cret@host/db",
        "postgresql://ann:#?s3cret@host/db",
        "postgresql:/ann:s3cret@host/db",
        "ann:s3cret@host/db",
        "postgresql:///db?user=ann&password=s3cret",
        "postgresql:///db?sslpassword=s3cret&x=1",
        "host=h user=ann password=s3cret",
        "host=h password = 's3cret x' user=ann",
        "redis://:s3cret@host/0",
        "redis://s3cret@host/0",
        "nats://s3cret@host:4222",
        "mysql://ann:s3cret\u2100x@host/db",
    ],
)
def test_a_masked_url_shows_no_password(url: str) -> None:
    assert SECRET not in masked(url)
    assert "•••" in masked(url)


@pytest.mark.parametrize(
    "text", ["", "prod", "sqlite:////var/x.db", "postgresql://ann@host/db?sslmode=require", "poll:"]
)
def test_what_holds_no_password_is_shown_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_url_to_paste_has_everything_but_the_password() -> None:
    url = "postgresql://a%40b:s3cret@h:1/db?schema=x&password=s3cret&sslmode=require"
    assert split_url(url).without_password() == "postgresql://a%40b@h:1/db?schema=x&sslmode=require"
