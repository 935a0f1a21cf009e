"""`palbo`: the same things as the Dagster UI, for people at a terminal.

Errors are one clear line and a non-zero exit code; ``--json`` where a script would want it.
"""

from __future__ import annotations

from palbo_assets.cli import releases
from palbo_assets.cli.commands import app

__all__ = ["app"]

app.command()(releases.release)
app.command("releases")(releases.list_releases)
app.command()(releases.compare)
