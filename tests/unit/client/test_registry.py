"""One name, one function: a program cannot register two under the same name without hearing of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast import Holdfast


def test_a_name_that_is_taken() -> None:
    app = Holdfast()

    @app.job()
    def first(a: int) -> None: ...

    with pytest.raises(ValueError, match=r"'first' is taken by .*first; give one of them another") as caught:

        @app.job(name="first")
        def second(b: int) -> None: ...

    assert "test_registry" in str(caught.value)
    assert len(app.registry) == 1
    kept = app.registry.get("first")
    assert kept is not None
    assert kept.dump({"a": 1}) == '{"a":1}'


def test_the_same_function_again_is_a_module_that_is_loaded_again() -> None:
    app = Holdfast()

    def declare(default: int) -> None:
        @app.job()
        def again(a: int = default) -> None: ...

    declare(1)
    declare(2)
    (kind,) = app.registry
    assert kind.dump({}) == '{"a":2}'


def test_globs_choose_among_the_types() -> None:
    app = Holdfast()
    for name in ("mail.send", "mail.sort", "Mail.send", "pay"):
        app.job(name=name)(_function(name))
    assert set(app.registry.matching(["mail.*"])) == {"mail.send", "mail.sort"}
    assert set(app.registry.matching(["pay", "*.send"])) == {"mail.send", "Mail.send", "pay"}
    assert len(app.registry.matching([])) == 4
    assert app.registry.matching(["nothing"]) == {}
    assert app.registry.get("nothing") is None


def _function(name: str) -> Callable[[], None]:
    def run() -> None: ...

    run.__qualname__ = name
    return run
