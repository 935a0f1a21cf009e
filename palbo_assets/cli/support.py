"""What every command needs: the installation's warehouse, a console, and errors as one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    from palbo_assets.platform.warehouse import Warehouse

LOG_WIDTH = 150
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@contextmanager
def clear_errors() -> Iterator[None]:
    """What somebody can mend is one line and exit code 2, never a traceback; Ctrl-C is exit code 130."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except PalboError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    except SQLAlchemyError as error:
        _say(str(_database_error(error)))
        raise typer.Exit(2) from None
    except OSError as error:
        _say(f"E_FILE_SYSTEM: {error.strerror or type(error).__name__} ({error.filename or 'no file named'})")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _say("Interrupted. What was published stays; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None


def _say(line: str) -> None:
    typer.secho(line, fg=typer.colors.RED, err=True)


def _database_error(error: Exception) -> PalboError:
    """What the driver says may hold the URL with its password, or rows: only where and what kind are passed on."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, OperationalError

    try:
        url = make_url(Home.from_environment().database_url)
        server = f"{url.host or 'localhost'}:{url.port}" if url.port else url.host or ""
        where = f"{url.get_backend_name()} {server or url.database or ''}".strip()
    except ArgumentError:
        where = "PALBO_DATABASE_URL"
    if isinstance(error, OperationalError):
        return PalboError(
            "E_DATABASE",
            f"the database doesn't answer or refuses ({where})",
            fix="check that it runs, that PALBO_DATABASE_URL is right, and that the disk isn't full",
        )
    kind = type(error).__name__
    return PalboError("E_DATABASE", f"the database can't be used ({where}): {kind}", fix="check PALBO_DATABASE_URL")


def check_database(home: Home) -> None:
    """Fail before long work, and not in the background, when the database can't be reached."""
    from palbo_assets.platform.warehouse import Warehouse

    if home.database_url.startswith("sqlite"):
        return
    warehouse = Warehouse(home)
    try:
        warehouse.engine.connect().close()
    finally:
        warehouse.close()


@contextmanager
def open_warehouse() -> Iterator[Warehouse]:
    """The warehouse of an installation that exists already."""
    import palbo_assets.definitions  # noqa: F401  (declares every product)
    from palbo_assets.platform.database import missing_tables
    from palbo_assets.platform.warehouse import Warehouse

    home = Home.from_environment()
    warehouse = Warehouse(home)
    # SQLite would make an empty database where there is none.
    absent = home.database_url.startswith("sqlite") and not Path(home.database_url.partition(":///")[2]).is_file()
    try:
        if absent or missing_tables(warehouse.engine, ["product_version"]):
            raise PalboError(
                "E_NO_INSTALLATION",
                f"there is no installation in {home.root}",
                fix="set PALBO_HOME, or start one with `palbo demo` or `palbo ingest`",
            )
        yield warehouse
    finally:
        warehouse.close()


def new_console(*, stderr: bool = False) -> Any:
    """A console that doesn't fold tables to 80 columns where there is no terminal."""
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    return console
