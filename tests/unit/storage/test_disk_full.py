"""A full disk: what was acknowledged is stored, what was not is refused in words, and it works again when space returns.

Each case runs in a process of its own: a small file system of its own, or a limit on the size of files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, resource, signal, sys
from pathlib import Path
import apsw
from holdfast.core.errors import StorageUnavailable
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import new_job, worker_row
from holdfast.core.job import ClaimRequest
from holdfast.storage.writes import Claim, Insert, RegisterWorker, Settle

folder, how = Path(sys.argv[1]), sys.argv[2]
store = SqliteStore(folder / "holdfast.db")
store.open()
gateway = Gateway(store, lambda topics: None)
gateway.run(RegisterWorker(worker_row("w"), lease=600.0))
if how == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
else:
    (folder / "ballast").write_bytes(bytes(3_000_000))

acknowledged, refused = [], []
while len(refused) < 5:
    jobs = [new_job(args='"' + "x" * 5_000 + '"') for _ in range(4)]
    try:
        acknowledged += [answer.id for answer in gateway.run(Insert(jobs))]
    except StorageUnavailable as error:
        assert error.status == 503, error
        refused += [job.id for job in jobs]
        print("refused:", error)
    assert len(acknowledged) < 10_000
assert acknowledged, "nothing fitted at all"

def check():
    for job_id in acknowledged:
        assert store.job(job_id) is not None, "acknowledged and lost"
    for job_id in refused:
        assert store.job(job_id) is None, "refused and stored"

check()
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
else:
    (folder / "ballast").unlink()
answer = gateway.run(Insert([new_job(id=refused[0])]))
assert answer == [(refused[0], True)]
acknowledged.append(refused.pop(0))
claimed = gateway.run(Claim(ClaimRequest("w", 1000, frozenset({"noop"}))))
ends = gateway.run(Settle([Settlement(job.seq, job.token, Verb.SUCCEED) for job in claimed]))
assert set(ends) == {"succeeded"}
check()
gateway.close()
store.close()
again = SqliteStore(folder / "holdfast.db")
again.open()
store = again
check()
again.close()
db = apsw.Connection(str(folder / "holdfast.db"))
assert next(db.execute("PRAGMA integrity_check"))[0] == "ok"
print("done", len(acknowledged))
"""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_small_file_system(tmp_path: Path) -> None:
    """A tmpfs of 6 MB that is mounted in a name space of this test's own."""
    program, folder = tmp_path / "program.py", tmp_path / "small"
    program.write_text(PROGRAM)
    folder.mkdir()
    mounted = f"mount -t tmpfs -o size=6m tmpfs {folder} && exec {sys.executable} {program} {folder} tmpfs"
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"this machine allows no private mounts: {probe.stderr.strip()}")
    said = run("unshare", "-rm", "sh", "-c", mounted)
    assert "the disk is full. Nothing of this call was stored" in said
    assert "done" in said


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    said = run(sys.executable, str(program), str(tmp_path), "limit")
    assert "Nothing of this call was stored" in said
    assert "done" in said
