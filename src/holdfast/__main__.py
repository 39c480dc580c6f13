"""This exists so that `python -m holdfast` is the command, and that a supervisor can start processes that load no more than they need."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["worker-process"]:
        from holdfast.hosting import worker_process

        sys.exit(worker_process())
    from holdfast.cli import main

    sys.exit(main())
