"""`holdfast up` and its parts, as real processes: ready, stopped, killed, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.system.cli_house import House, alive, is_ready, until


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with House(tmp_path) as house:
        yield house


def test_up_prints_one_line_when_everything_is_ready_and_stops_completely(house: House) -> None:
    process, url = house.up(HOLDFAST_WORKERS="2")
    assert is_ready(url)
    assert len(house.ask("worker", "list", "--url", url)["items"]) == 2
    assert house.run("job", "run", "count_to", "--arg", "n=2", "--wait", "--url", url).returncode == 0
    assert len(house.processes()) == 6, "itself, fork server, guard, two workers, web server"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    until(lambda: not house.processes())
    # and nothing that the app or a job has printed
    assert house.out(process) == f"Holdfast is ready: {url}\n"
    assert "I count" in house.err(process)
    assert f"Store: {house.folder}/" in house.err(process)
    assert "Traceback" not in house.err(process)
    assert house.ask("worker", "list")["items"] == []


def test_what_a_job_prints_outlives_its_worker(house: House) -> None:
    process, _ = house.up()
    house.run("job", "run", "mumble", "--arg", "text=half a line")
    until(lambda: "half a line" in house.err(process))
    assert house.ask("job", "list")["items"][0]["state"] == "processing"
    os.kill(house.process("worker-process"), signal.SIGKILL)


def test_ctrl_c_of_a_whole_terminal_stops_in_order_too(house: House) -> None:
    process, _ = house.up()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    until(lambda: not house.processes())
    assert "Traceback" not in house.err(process)


def test_a_running_job_is_released_at_its_checkpoint(house: House) -> None:
    process, _ = house.up()
    job_id = house.run("job", "run", "count_to", "--arg", "n=1000000", "--ids").stdout.strip()
    until(lambda: (house.ask("job", "show", job_id)["progress"] or {}).get("held"))
    process.terminate()
    assert process.wait(30) == 0
    job = house.ask("job", "show", job_id)
    assert (job["state"], job["has_saved_state"]) == ("enqueued", True)
    held = job["progress"]["held"]
    again, _ = house.up()
    assert until(lambda: house.ask("job", "show", job_id)["progress"]["held"] > held)
    assert house.ask("job", "show", job_id)["attempt"] == 1
    again.terminate()
    assert again.wait(30) == 0


def test_the_web_server_that_dies_is_replaced_and_no_other_process_notices(house: House) -> None:
    process, url = house.up()
    worker = house.process("worker-process")
    for _ in range(2):
        web = house.process("web-process")
        os.kill(web, signal.SIGKILL)
        # a request in between waits in the queue of the socket, and is served
        assert httpx.get(f"{url}/health/ready", timeout=30).status_code == 200
        assert house.process("web-process") != web
    assert house.process("worker-process") == worker
    assert house.run("job", "run", "add", "--arg", "a=1", "--wait").returncode == 0
    process.terminate()
    assert process.wait(30) == 0
    assert "web server ended; replacing it" in house.err(process)


def test_a_killed_up_command_leaves_no_process_behind(house: House) -> None:
    process, _ = house.up()
    assert len(house.processes()) == 5, "itself, fork server, guard, worker, web server"
    process.kill()
    process.wait()
    until(lambda: not house.processes())


def test_web_worker_and_scheduler_run_apart(house: House) -> None:
    web = house.start("web")
    url = house.ready(web).removeprefix("Holdfast web is ready: ")
    assert is_ready(url)
    worker = house.start("worker", "--queues", "mail", "--types", "a*")
    assert house.ready(worker) == "Holdfast worker is ready: 1 process"
    scheduler = house.start("scheduler")
    assert house.ready(scheduler) == "Holdfast scheduler is ready"
    (row,) = house.ask("worker", "list", "--url", url)["items"]
    assert (row["queues"], row["types"]) == (["mail"], ["add"])
    done = house.run(
        "job", "run", "add", "--arg", "a=1", "--queue", "mail", "--in", "200ms", "--wait", "--url", url
    )
    assert done.returncode == 0
    other = house.run("job", "run", "add", "--arg", "a=1", "--wait", "--wait-timeout", "1s")
    assert other.returncode == 124
    for process in (scheduler, worker, web):
        process.terminate()
        assert process.wait(30) == 0
    assert not any(alive(pid) for pid in house.processes())


def test_what_keeps_it_from_starting_is_reported_in_two_lines(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = [
            ({"HOLDFAST_PORT": port}, 2, "Address already in use"),
            ({"HOLDFAST_DATA_DIR": "/proc/holdfast"}, 69, "cannot be made"),
            ({"HOLDFAST_PROT": "1"}, 2, "did you mean port?"),
            ({"HOLDFAST_WORKERS": "many"}, 2, "HOLDFAST_WORKERS"),
            ({"HOLDFAST_HOST": "0.0.0.0"}, 2, "not a loopback address"),
            ({"HOLDFAST_APP": "nowhere:app"}, 2, "no module 'nowhere'"),
            ({"HOLDFAST_APP": "house_app:nothing"}, 2, "no Holdfast app named 'nothing'"),
            ({"HOLDFAST_APP": ""}, 2, "--app module:app"),
        ]
        for environment, code, says in cases:
            done = house.run("up", **environment)
            words = [line for line in done.stderr.splitlines() if not line.startswith("loaded by")]
            assert (done.returncode, len(words)) == (code, 2), done.stderr
            assert says in done.stderr
            assert "ready" not in done.stdout
    until(lambda: not house.processes())


def test_an_app_that_cannot_be_loaded_shows_where(house: House) -> None:
    (house.folder / "broken.py").write_text("import nothing_of_this_name\n")
    done = house.run("up", "--app", "broken:app")
    assert done.returncode == 1
    assert "nothing_of_this_name" in done.stderr
    until(lambda: not house.processes())
