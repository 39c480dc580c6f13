"""`python -m holdfast`: the command, and the entry point of worker and web processes."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["worker-process"]:
        from holdfast.hosting.worker_process import worker_process

        sys.exit(worker_process())
    if sys.argv[1:] == ["forking-server"]:
        from holdfast.hosting.forking_server import forking_server

        sys.exit(forking_server())
    if sys.argv[1:] == ["web-process"]:
        from holdfast.cli.web_process import web_process

        sys.exit(web_process())
    from holdfast.cli import main

    sys.exit(main())
