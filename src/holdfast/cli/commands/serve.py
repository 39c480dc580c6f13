"""`holdfast up|worker|web|scheduler`: run the long-running parts of Holdfast."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.commands import workers as worker_commands
from holdfast.cli.exit_codes import CliError
from holdfast.cli.options import SERVES, Common, command, new_group, with_common

if TYPE_CHECKING:
    from holdfast.app import Holdfast
    from holdfast.core.settings import Settings
    from holdfast.worker.fork_server import ForkServer

_QUEUES = Annotated[str | None, typer.Option("--queues", metavar="A,B", help="Serve only these queues.")]
_TYPES = Annotated[
    str | None,
    typer.Option("--types", metavar="GLOB,…", help="Serve only these job types, for example 'report.*'."),
]
_PROCESSES = Annotated[
    int | None,
    typer.Option("--processes", "-p", metavar="N", help="Number of worker processes; -1 = one per core."),
]
_CONCURRENCY = Annotated[
    int | None, typer.Option("--concurrency", "-c", metavar="N", help="Concurrent jobs per process.")
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
        """Run web server, scheduler and workers until Ctrl-C."""
        path = _needed(common.app, "up")
        with _fork_server() as forks:
            from holdfast.hosting.run import run_workers
            from holdfast.hosting.web_supervisor import WebSupervisor
            from holdfast.runtime.listen import address, bind

            given = _given(
                host=host, port=port, workers=processes, concurrency=concurrency, queues=queues, types=types
            )
            app = _app(path, given)
            _open(app)
            with bind(_checked(app.settings)) as listening:
                _say_where(app)
                web = WebSupervisor(app.settings, listening)
                url = address(app.settings, listening)
                return run_workers(
                    app, path, web=web, ready=lambda: _print(f"Holdfast is ready: {url}"), forks=forks
                )

    workers = new_group("Run the jobs of an app until Ctrl-C; or list and drain workers.", alone=True)

    def worker(
        context: typer.Context,
        common: Common,
        queues: _QUEUES = None,
        types: _TYPES = None,
        processes: _PROCESSES = None,
        concurrency: _CONCURRENCY = None,
    ) -> int:
        """Run the jobs of an app until Ctrl-C; or list and drain workers."""
        if context.invoked_subcommand is not None:
            return 0
        path = _needed(common.app, "worker")
        with _fork_server() as forks:
            from holdfast.hosting.run import run_workers
            from holdfast.hosting.service import worker_count

            app = _app(path, _given(workers=processes, concurrency=concurrency, queues=queues, types=types))
            _open(app)
            _say_where(app)
            count = worker_count(app.settings)
            processes_text = f"{count} process" if count == 1 else f"{count} processes"
            return run_workers(
                app, path, ready=lambda: _print(f"Holdfast worker is ready: {processes_text}"), forks=forks
            )

    workers.callback(invoke_without_command=True)(with_common(worker, SERVES))
    worker_commands.add_to(workers)
    app.add_typer(workers, name="worker")

    @command(app, "web", SERVES)
    def web(common: Common, host: _HOST = None, port: _PORT = None) -> int:
        """Run only the web server (pages, REST API, live stream) until Ctrl-C."""
        from holdfast.cli.web_process import serve

        app = _app(common.app, _given(host=host, port=port))
        _open(app)
        _say_where(app)
        return serve(app, ready=lambda url: _print(f"Holdfast web is ready: {url}"))

    @command(app, "scheduler", SERVES)
    def scheduler(common: Common) -> int:
        """Run only the scheduler (promote, rescue, retention) until Ctrl-C."""
        from holdfast.hosting.run import run_maintenance

        app = _app(common.app, {})
        _open(app)
        _say_where(app)
        return run_maintenance(app, ready=lambda: _print("Holdfast scheduler is ready"))


@contextmanager
def _fork_server() -> Generator[ForkServer | None]:
    """The fork server of the workers, started first, so that it loads while this process does. Always ended at exit."""
    from holdfast.hosting.fork_launch import fork_fork_server

    server = fork_fork_server()
    try:
        yield server
    finally:
        if server is not None:
            server.end()


def _needed(path: str | None, command: str) -> str:
    """The path of the app; raises CliError when it is missing."""
    if not path:
        hint = f"Use: holdfast {command} --app module:app, or HOLDFAST_APP=module:app"
        raise CliError(f"holdfast {command} needs the app that defines the job functions.", hint)
    return path


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _app(path: str | None, given: dict[str, Any]) -> Holdfast:
    """The app, with its settings overridden by those of the command line. Configures logging as well."""
    import structlog

    from holdfast.cli.backend.opening import load
    from holdfast.runtime.configure import load_settings, service_variables
    from holdfast.runtime.logs import set_up_output
    from holdfast.runtime.output import protect_output

    protect_output()  # before the import of the app, which may print
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
    """Open the store of an app, once its database is reachable. Raises StorageRefused for a store that has moved."""
    from holdfast.core.errors import StorageRefused
    from holdfast.hosting.opening import open_when_available

    seal = open_when_available(app).store.sealed()
    if seal is not None and seal.moved:
        app.close()
        raise StorageRefused(seal.words)


def _say_where(app: Holdfast) -> None:
    """Print the place of the store; called when nothing can prevent the start any more."""
    from holdfast.cli.format.output import say

    say(f"Store: {app.open().store.info()['place']}")


def _checked(settings: Settings) -> Settings:
    """The settings; raises ConfigurationError when the web server must not listen on their address."""
    # a loopback address is always allowed; the import of the guard is avoided
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        from holdfast.web.guard import check_bind

        check_bind(settings)
    return settings


def _print(line: str) -> None:
    typer.echo(line)
