"""A job can be enqueued by name: by the code that is here, or by what a worker elsewhere has published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.dump import Part, WholeJob
from holdfast.core.errors import InvalidArguments, InvalidInput, TooLarge, UnknownJobType
from holdfast.core.retention import Retention, parse_retention
from holdfast.storage.writes import PublishTypes


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Holdfast]:
    """The app that has the code; `app` has only the name."""
    worker = Holdfast(data_dir=str(tmp_path), retries=4)

    @worker.job(queue="mail", priority=7, timeout="1m", tags=["eu", "ä"], keep="1h")
    def send_mail(to: str, copies: int = 1) -> None: ...

    yield worker
    worker.close()


def publish(worker: Holdfast) -> None:
    rows = [kind.row(worker.settings.retries) for kind in worker.registry]
    worker.open().gateway.run(PublishTypes(rows))


def test_a_type_whose_code_is_here(worker: Holdfast) -> None:
    view = worker.enqueue("send_mail", {"to": "a"}).view
    assert (view.queue, view.priority, view.timeout, view.max_attempts) == ("mail", 7, 60.0, 5)
    assert view.args == {"to": "a", "copies": 1}


def test_a_published_type_brings_its_defaults_along(app: Holdfast, worker: Holdfast) -> None:
    publish(worker)
    view = app.enqueue("send_mail", {"to": "a"}).view
    assert (view.queue, view.priority, view.timeout, view.max_attempts) == ("mail", 7, 60.0, 5)
    assert view.args == {"to": "a"}
    assert view.tags == ["eu", "ä"]
    [whole] = app.open().store.dump(Part.JOBS, after=None, limit=1)
    assert isinstance(whole, WholeJob)
    assert parse_retention(whole.retention) == Retention(3600.0, 3600.0, 3600.0)


def test_a_published_type_validates_by_its_schema(app: Holdfast, worker: Holdfast) -> None:
    publish(worker)
    with pytest.raises(InvalidArguments) as caught:
        app.enqueue("send_mail", {"to": 5, "cc": "b"})
    assert {problem.loc for problem in caught.value.problems} == {("args", "to"), ("args",)}
    with pytest.raises(InvalidArguments, match=r"args\.to: is required") as caught:
        app.enqueue("send_mail", {})
    assert [problem.loc for problem in caught.value.problems] == [("args", "to")]
    with pytest.raises(InvalidInput, match="NaN"):
        app.enqueue("send_mail", {"to": float("nan")})
    with pytest.raises(TooLarge):
        app.enqueue("send_mail", {"to": "a" * 300_000})
    assert app.client.figures.stats().states["enqueued"] == 0


def test_a_type_that_is_published_later_is_found_at_once(app: Holdfast, worker: Holdfast) -> None:
    with pytest.raises(UnknownJobType):
        app.enqueue("send_mail", {"to": "a"})
    publish(worker)
    assert app.enqueue("send_mail", {"to": "a"}).state == "enqueued"


def test_an_unknown_name_hears_of_the_nearest(app: Holdfast, worker: Holdfast) -> None:
    publish(worker)

    @app.job()
    def resize(path: str) -> None: ...

    with pytest.raises(UnknownJobType, match=r"did you mean 'send_mail'\?"):
        app.enqueue("send_mial")
    with pytest.raises(UnknownJobType, match=r"did you mean 'resize'\?"):
        app.enqueue("resise")
    with pytest.raises(UnknownJobType, match=r"No job type 'qqq' is known\. Types become known") as caught:
        app.enqueue("qqq")
    assert caught.value.problems[0].loc == ("type",)


def test_the_code_that_is_here_goes_before_what_was_published(app: Holdfast, worker: Holdfast) -> None:
    publish(worker)

    @app.job(name="send_mail", queue="here")
    def newer(subject: str) -> None: ...

    assert app.enqueue("send_mail", {"subject": "s"}).view.queue == "here"
    (view,) = app.client.types.all()
    assert json.dumps(view.args_schema["required"]) == '["subject"]'


@pytest.mark.parametrize("schema", ["", "5", "[1,", '{"a": NaN}'])
def test_a_published_type_that_cannot_be_read_says_so(app: Holdfast, worker: Holdfast, schema: str) -> None:
    rows = [kind.row(worker.settings.retries)._replace(schema=schema) for kind in worker.registry]
    worker.open().gateway.run(PublishTypes(rows))
    with pytest.raises(InvalidInput, match="cannot be read"):
        app.enqueue("send_mail", {"to": "a"})
