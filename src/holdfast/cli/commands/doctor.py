"""`holdfast doctor`: check an installation or a server."""

from __future__ import annotations

import typer

from holdfast.cli.exit_codes import ExitCode
from holdfast.cli.options import ASKS, Common, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""

    @command(app, "doctor", ASKS)
    def doctor(common: Common) -> int:  # pyright: ignore[reportUnusedFunction] - the decorator registers it
        """Check this installation, or a server (--url), and show how to fix problems."""
        from holdfast.cli.doctor.findings import FINDINGS
        from holdfast.cli.doctor.installation import examine
        from holdfast.cli.format.output import Writer, say

        writer = Writer(common)
        findings = examine(common)
        writer.many(findings, FINDINGS, key="name")
        bad = [finding for finding in findings if finding.result == "bad"]
        for finding in findings:
            if finding.fix:
                say(f"{finding.name}: {finding.fix}")
        notes = [finding for finding in findings if finding.result == "note"]
        if bad:
            say(f"{len(bad)} of {len(findings)} checks failed.")
        else:
            say(f"All checks passed; notes: {len(notes)}." if notes else "All checks passed.")
        return ExitCode.FAILED if bad else ExitCode.DONE
