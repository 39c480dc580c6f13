"""This exists so that the long-running parts (workers, web, scheduler, or all of them) are started from a terminal."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.commands import workers as worker_commands
from holdfast.cli.exit_codes import CliError
from holdfast.cli.options import SERVES, Common, command, new_group, with_common

if TYPE_CHECKING:
    from holdfast.app import Holdfast
    from holdfast.core.settings import Settings

_QUEUES = Annotated[str | None, typer.Option("--queues", metavar="A,B", help="Serve only these queues.")]
_TYPES = Annotated[
    str | None,
    typer.Option("--types", metavar="GLOB,…", help="Serve only these job types, for example 'report.*'."),
]
_PROCESSES = Annotated[
    int | None, typer.Option("--processes", "-p", metavar="N", help="Worker processes; -1 = one per core.")
]
_CONCURRENCY = Annotated[
    int | None, typer.Option("--concurrency", "-c", metavar="N", help="Jobs at once per process.")
]
_HOST = Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")]
_PORT = Annotated[
    int | None, typer.Option("--port", metavar="N", help="Port to listen on; 0 = any free one.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the tree."""

    @command(app, "up", SERVES)
    def up(
        common: Common,
        host: _HOST = None,
        port: _PORT = None,
        processes: _PROCESSES = None,
        concurrency: _CONCURRENCY = None,
        queues: _QUEUES = None,
        types: _TYPES = None,
    ) -> int:
        """Run everything: web server, scheduler and workers, until Ctrl-C."""
        from holdfast.hosting.child import Child

        path = _needed(common.app, "up")
        web_child = Child("web-process")  # ahead of everything: it loads while we do
        from holdfast.hosting.service import run_workers
        from holdfast.hosting.web_keeper import WebKeeper
        from holdfast.runtime.listen import address, bind

        given = _given(
            host=host, port=port, workers=processes, concurrency=concurrency, queues=queues, types=types
        )
        try:
            app = _app(path, given)
            _open(app)
            bound = bind(_checked(app.settings))
        except BaseException:
            web_child.abandon()
            raise
        with bound as listening:
            _say_where(app)
            web = WebKeeper(app.settings, listening, web_child)
            url = address(app.settings, listening)
            return run_workers(app, path, web=web, ready=lambda: _print(f"Holdfast is ready: {url}"))

    workers = new_group(
        "Run jobs of an app, until Ctrl-C; or list and drain the workers there are.", alone=True
    )

    def worker(
        context: typer.Context,
        common: Common,
        queues: _QUEUES = None,
        types: _TYPES = None,
        processes: _PROCESSES = None,
        concurrency: _CONCURRENCY = None,
    ) -> int:
        """Run jobs of an app, until Ctrl-C; or list and drain the workers there are."""
        if context.invoked_subcommand is not None:
            return 0
        from holdfast.hosting.service import run_workers, worker_count

        path = _needed(common.app, "worker")
        app = _app(path, _given(workers=processes, concurrency=concurrency, queues=queues, types=types))
        _open(app)
        _say_where(app)
        count = worker_count(app.settings)
        words = f"{count} process" if count == 1 else f"{count} processes"
        return run_workers(app, path, ready=lambda: _print(f"Holdfast worker is ready: {words}"))

    workers.callback(invoke_without_command=True)(with_common(worker, SERVES))
    worker_commands.add_to(workers)
    app.add_typer(workers, name="worker")

    @command(app, "web", SERVES)
    def web(common: Common, host: _HOST = None, port: _PORT = None) -> int:
        """Run only the web server: pages, REST API, live stream, until Ctrl-C."""
        from holdfast.cli.web_process import serve

        app = _app(common.app, _given(host=host, port=port))
        _open(app)
        _say_where(app)
        return serve(app, ready=lambda url: _print(f"Holdfast web is ready: {url}"))

    @command(app, "scheduler", SERVES)
    def scheduler(common: Common) -> int:
        """Run only what happens by the clock: due jobs, rescue, retention, until Ctrl-C."""
        from holdfast.hosting.service import run_duties

        app = _app(common.app, {})
        _open(app)
        _say_where(app)
        return run_duties(app, ready=lambda: _print("Holdfast scheduler is ready"))


def _needed(path: str | None, command: str) -> str:
    """The path of the app, which this command cannot do without."""
    if not path:
        hint = f"Name it: holdfast {command} --app module:app, or HOLDFAST_APP=module:app"
        raise CliError(f"holdfast {command} needs the program that holds the job functions.", hint)
    return path


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _app(path: str | None, given: dict[str, Any]) -> Holdfast:
    """The app with the settings of this command line over its own; from here on, logs are written as the settings say."""
    import structlog

    from holdfast.cli.backend.opening import load
    from holdfast.runtime.configure import load_settings, service_variables
    from holdfast.runtime.logs import set_up_output
    from holdfast.runtime.output import protect_output

    protect_output()  # before the program of the user is imported, which may print
    app: Holdfast = load(path)
    if given:
        app.configure(load_settings({**app.settings.model_dump(exclude_unset=True), **given}))
    set_up_output(app.settings)
    if services := service_variables(os.environ):
        structlog.get_logger("holdfast").info(
            "ignoring variables of a network service", names=", ".join(services)
        )
    return app


def _open(app: Holdfast) -> None:
    """Open the store of an app, once its server answers. Raises StorageRefused for one that has moved."""
    from holdfast.core.errors import StorageRefused
    from holdfast.hosting.opening import open_when_it_answers

    seal = open_when_it_answers(app).store.sealed()
    if seal is not None and seal.moved:
        app.close()
        raise StorageRefused(seal.words)


def _say_where(app: Holdfast) -> None:
    """Print where the store is, once nothing keeps us from starting any more."""
    from holdfast.cli.format.output import say

    say(f"Store: {app.open().store.info()['place']}")


def _checked(settings: Settings) -> Settings:
    """The settings, once it is sure that the web server may listen on their address."""
    # what is known to be safe need not load the web's guard
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        from holdfast.web.guard import check_bind

        check_bind(settings)
    return settings


def _print(line: str) -> None:
    typer.echo(line)
