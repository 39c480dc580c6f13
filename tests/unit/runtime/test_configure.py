"""Settings: where they come from, and that all mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url, load_settings, service_variables


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "holdfast.toml"


def problems(file: Path, arguments: dict[str, object] | None = None, **environment: str) -> dict[str, str]:
    """Place and words of everything that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(arguments, environment=environment, file=file)
    return {str(problem.loc[0]): problem.msg for problem in caught.value.problems}


def test_without_anything_the_defaults_hold(file: Path) -> None:
    assert load_settings(environment={}, file=file) == Settings()


def test_arguments_over_environment_over_file(file: Path) -> None:
    file.write_text("port = 1\nhost = 'a'\nlog_level = 'debug'\n")
    settings = load_settings({"port": 3}, environment={"HOLDFAST_PORT": "2", "HOLDFAST_HOST": "b"}, file=file)
    assert (settings.port, settings.host, settings.log_level) == (3, "b", "debug")


def test_words_of_the_environment_are_understood(file: Path) -> None:
    environment = {
        "HOLDFAST_QUEUES": "default, mail,,",
        "HOLDFAST_LEASE": "1m",
        "HOLDFAST_KEEP_SUCCEEDED": "forever",
        "HOLDFAST_KEEP_FAILED": "2h",
        "HOLDFAST_WORKERS": "-1",
    }
    settings = load_settings(environment=environment, file=file)
    assert (settings.queues, settings.lease, settings.workers) == (("default", "mail"), 60.0, -1)
    assert (settings.keep_succeeded, settings.keep_failed) == (None, 7200.0)


def test_the_file_may_be_named_by_the_environment(file: Path) -> None:
    file.write_text("port = 4\n")
    assert load_settings(environment={"HOLDFAST_CONFIG": str(file)}).port == 4


def test_foreign_variables_are_left_alone(file: Path) -> None:
    environment = {"PATH": "/bin", "HOLDFAST_TEST_X": "1", "HOLDFAST_PRODUCER": "0", "HOLDFASTER": "1"}
    assert load_settings(environment=environment, file=file) == Settings()


def test_all_problems_at_once_with_the_nearest_name(file: Path) -> None:
    file.write_text("prot = 1\ndurability = 'some'\n")
    found = problems(file, {"concurency": 5, "threads": 0}, HOLDFAST_PORT="many", HOLDFAST_QUEUE="a")
    assert found.keys() == {"prot", "durability", "concurency", "threads", "HOLDFAST_PORT", "HOLDFAST_QUEUE"}
    assert "did you mean port?" in found["prot"]
    assert "did you mean concurrency?" in found["concurency"]
    assert "did you mean queues?" in found["HOLDFAST_QUEUE"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("workers", "-2"),
        ("concurrency", "0"),
        ("lease", "soon"),
        ("lease", "-5s"),
        ("keep_failed", "long"),
        ("log_format", "xml"),
        ("environment_color", "pink"),
    ],
)
def test_values_out_of_range(file: Path, name: str, value: str) -> None:
    assert list(problems(file, **{f"HOLDFAST_{name.upper()}": value})) == [f"HOLDFAST_{name.upper()}"]


def test_a_lease_that_a_living_worker_would_lose(file: Path) -> None:
    assert "twice" in problems(file, {"lease": 9.0, "heartbeat_interval": 5.0})["lease"]
    load_settings({"lease": 10.0, "heartbeat_interval": 5.0}, environment={}, file=file)


@pytest.mark.parametrize("text", ["port = ", "\xff\xfe".encode("latin-1").decode("latin-1") + "=", "[[["])
def test_a_file_that_is_not_toml(file: Path, text: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    assert "is not TOML" in problems(file)[str(file)]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


def test_where_the_facts_are_kept() -> None:
    assert database_url(Settings(data_dir="/data")) == "sqlite:////data/holdfast.db"
    assert database_url(Settings(database_url="sqlite:///x.db")) == "sqlite:///x.db"


def test_zero_workers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no process would run jobs"):
        load_settings({"workers": 0}, environment={})


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbfenvironment = 'gr\xc3\xb6\xc3\x9fe'\n", b"environment = 'gr\xc3\xb6\xc3\x9fe'\r\n"],
)
def test_the_file_is_utf8_with_or_without_a_mark_whatever_the_locale_says(
    file: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "latin-1")
    file.write_bytes(data)
    assert load_settings(environment={}, file=file).environment == "größe"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_the_error_for_a_file_in_another_encoding_names_the_expected_one(file: Path, encoding: str) -> None:
    file.write_bytes("environment = 'größe'\n".encode(encoding))
    assert "is not UTF-8" in problems(file)[str(file)]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    with pytest.raises(ConfigurationError, match="HOLDFAST_CONFIG: there is no file"):
        load_settings(environment={"HOLDFAST_CONFIG": str(gone)})


SERVICES = {
    "HOLDFAST_SERVICE_HOST": "10.43.0.4",
    "HOLDFAST_SERVICE_PORT": "8600",
    "HOLDFAST_SERVICE_PORT_HTTP": "8600",
    "HOLDFAST_PORT": "tcp://10.43.0.4:8600",
    "HOLDFAST_PORT_8600_TCP": "tcp://10.43.0.4:8600",
    "HOLDFAST_PORT_8600_TCP_PROTO": "tcp",
    "HOLDFAST_PORT_53_UDP_ADDR": "10.43.0.4",
    "HOLDFAST_MY_WEB_PORT": "sctp://[fd00::4]:8600",
    "HOLDFAST_MY_WEB_SERVICE_HOST": "fd00::4",
    "HOLDFAST_MY_WEB_NAME": "/app/holdfast",
    "HOLDFAST_MY_WEB_ENV_PATH": "/bin",
}


def test_variables_of_a_network_service_are_no_settings(file: Path) -> None:
    assert load_settings(environment=SERVICES, file=file) == Settings()
    assert service_variables({**SERVICES, "HOLDFAST_LEASE": "1m", "PATH": "/bin"}) == tuple(sorted(SERVICES))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_PORT", "http://10.43.0.4:8600"),
        ("HOLDFAST_WEB_PORT", "8600"),
        ("HOLDFAST_SERVICE", "x"),
        ("HOLDFAST_WEB_NAME", "/app/holdfast"),
        ("HOLDFAST_ENV_PATH", "/bin"),
        ("HOLDFAST_SUPPORT", "tcp://10.43.0.4:1"),
    ],
)
def test_what_only_looks_like_one_is_still_refused(file: Path, name: str, value: str) -> None:
    assert list(problems(file, **{name: value})) == [name]
