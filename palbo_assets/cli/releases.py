"""Freezing, listing and comparing releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palbo_assets.cli.support import AsJson, clear_errors, new_console, open_warehouse
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    from palbo_assets.platform.warehouse import Warehouse
    from palbo_assets.release.freeze import State

SHOWN = 20


def release(
    name: Annotated[str, typer.Argument(help="Name of the release, e.g. 2026-11 or interim-1.")],
    note: Annotated[str, typer.Option(help="What it is for; stands in its README.")] = "",
    as_it_is: Annotated[bool, typer.Option("--as-it-is", help="Freeze although something is due.")] = False,
    controlled: Annotated[
        bool, typer.Option("--controlled", help="With genotypes and germline alleles, which identify people.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze every product into one folder that is checked, cited and never changed."""
    import getpass

    from palbo_assets.platform.consent import withdrawn_patients
    from palbo_assets.platform.product import SPECS
    from palbo_assets.release.freeze import freeze, record
    from palbo_assets.study.protocol import load_protocol

    with clear_errors(), open_warehouse() as warehouse:
        state = _state(warehouse)
        if state.due and not as_it_is:
            raise PalboError(
                "E_DUE",
                f"{len(state.due)} partitions are due, {state.due[0]} for instance",
                fix="run `palbo ingest --wait`, or freeze with --as-it-is: the release says what it lacks",
            )
        frozen = freeze(
            warehouse,
            SPECS,
            name,
            study=load_protocol().study,
            state=state,
            withdrawn=withdrawn_patients(warehouse, SPECS),
            note=note,
            controlled=controlled,
        )
        record(warehouse, frozen, state, actor=getpass.getuser())
    if as_json:
        typer.echo(json.dumps({**vars(frozen), "folder": str(frozen.folder)}))
    else:
        told = f"{frozen.folder}: {frozen.tables} tables, {frozen.rows:,} rows, {frozen.patients} patients"
        if state.failed:
            told += f"; {len(state.failed)} failed partitions are named in its README"
        new_console().print(f"{told}.\nsha256 {frozen.sha256}", soft_wrap=True)


def list_releases(as_json: AsJson = False) -> None:
    """Every release: whether its files are what was frozen, and whether somebody withdrew since."""
    from rich.table import Table

    from palbo_assets.platform.consent import withdrawn_patients
    from palbo_assets.platform.product import SPECS
    from palbo_assets.release.verify import verify

    with clear_errors(), open_warehouse() as warehouse:
        withdrawn = withdrawn_patients(warehouse, SPECS)
        folders = sorted(path for path in warehouse.home.releases.glob("[!.]*") if path.is_dir())
        found = [verify(folder, withdrawn) for folder in folders]
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found]))
    else:
        table = Table("release", "files", "whole", "withdrawn since", "sha256")
        for one in found:
            whole = "yes" if one.whole else f"[red]no: {', '.join(one.problems[:3])}[/red]"
            table.add_row(one.name, str(one.files), whole, str(len(one.withdrawn)), one.sha256[:16])
        new_console().print(table)
    if not all(one.whole and not one.withdrawn for one in found):
        raise typer.Exit(1)


def compare(
    old: Annotated[str, typer.Argument(help="Name of a release, or its folder.")],
    new: Annotated[str, typer.Argument(help="The later one.")],
    as_json: AsJson = False,
) -> None:
    """What changed between two releases, cell by cell, and why."""
    from rich.table import Table

    from palbo_assets.release.compare import by_cause, compare

    with clear_errors():
        changes = compare(_folder(old), _folder(new))
    if as_json:
        typer.echo(json.dumps([{**vars(one), "cells": dict(one.cells)} for one in changes]))
        return
    console = new_console()
    if not changes:
        console.print(f"{old} to {new}: nothing changed.")
        return
    table = Table("cause", "cells changed", "rows added", "rows removed", title=f"{old} to {new}")
    totals: dict[str, Any] = by_cause(changes)
    for cause, counts in list(totals.items())[:SHOWN]:
        table.add_row(cause, *(f"{counts[what]:,}" for what in ("cells", "rows_added", "rows_removed")))
    console.print(table)
    if len(totals) > SHOWN:
        console.print(f"and {len(totals) - SHOWN} more causes: see --json")


def _folder(name: str) -> Path:
    """A release by its name, or by the folder that somebody was given."""
    from palbo_assets.release.data_package import VERSIONS

    for folder in (Home.from_environment().releases / name, Path(name)):
        if (folder / VERSIONS).is_file():
            return folder
    raise PalboError("E_NO_RELEASE", f"there is no release {name}", fix="see `palbo releases`")


def _state(warehouse: Warehouse) -> State:
    """What is due and what failed, from the files accepted so far; nothing is scanned or written."""
    from palbo_assets.landing.intake import due_runs
    from palbo_assets.landing.resource import LandingResource
    from palbo_assets.platform.resources import InstallationResource
    from palbo_assets.release.freeze import State

    home = warehouse.home
    installation = InstallationResource(
        root=str(home.root), database_url=home.database_url, reference=str(home.reference)
    )
    runs = due_runs(installation, LandingResource(installation=installation))
    due = [f"{product} {run.partition_key}".strip() for run in runs for product in run.products]
    failed = [f"{asset} {key} ({failure['code']})" for (asset, key), failure in sorted(warehouse.failures().items())]
    return State(due=due, failed=failed)
