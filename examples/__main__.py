"""`make up`: Holdfast with the sample jobs, and the producer beside it unless HOLDFAST_PRODUCER=0."""

from __future__ import annotations

import os
import subprocess
import sys

from holdfast.cli import main


def run() -> int:
    """Start the producer as a process of its own, then everything else."""
    producer = None
    if os.environ.get("HOLDFAST_PRODUCER", "1") != "0":
        producer = subprocess.Popen([sys.executable, "-m", "examples.producer"], stdin=subprocess.DEVNULL)
    try:
        return main(["up", "--app", "examples.app:app"])
    finally:
        if producer is not None:
            producer.terminate()
            producer.wait()


if __name__ == "__main__":
    sys.exit(run())
