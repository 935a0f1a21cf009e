"""Taking in, asking and serving: what `palbo` does with an installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palbo_assets.cli.support import AsJson, check_database, clear_errors, new_console, open_warehouse
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    from palbo_assets.ingest import IngestResult, Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # a variable may hold what identifies a patient
    help="Data assets of a longitudinal multi-omics trial.",
)
reference_app = typer.Typer(no_args_is_help=True, help="The reference bundle.")
app.add_typer(reference_app, name="reference")


@app.command()
def demo(
    patients: Annotated[int, typer.Option(help="Patients of the twin; the first 12 have a scripted course.")] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the twin: the same seed writes the same bytes.")] = 7,
) -> None:
    """Write the synthetic twin's raw deliveries, take them in, materialise everything, say where to look."""
    from palbo_assets.demo.summary import demo_summary
    from palbo_assets.demo.twin import write_twin

    console = new_console()
    home = Home.from_environment()
    with clear_errors():
        check_database(home)
        with console.status(f"Writing the twin: {patients} patients, seed {seed}"):
            twin = write_twin(home, patients=patients, seed=seed)
        console.print(f"Wrote {twin.n_files} raw files in {twin.n_deliveries} deliveries under {home.landing}")
        result = _ingest_with_progress(home, console)
        for table in demo_summary(home, twin.truth_file):
            console.print(table)
        _say_failures(console, result, expected=True)
    console.print(
        f"\nLook at [bold]{home.pages / 'cohort.html'}[/bold] (cohort page), `palbo ledger`, `palbo up` (Dagster UI), "
        f"or query {home.database_url}"
    )


@app.command()
def ingest(
    wait: Annotated[bool, typer.Option("--wait", help="Stay until everything due is materialised.")] = False,
    as_json: AsJson = False,
) -> None:
    """Scan the landing zone once, write receipts, and materialise what became due."""
    home = Home.from_environment()
    if not wait:
        log = home.root / "ingest.log"
        with clear_errors():
            check_database(home)
            home.create()
        with log.open("ab") as stream:
            subprocess.Popen(
                [sys.executable, "-m", "palbo_assets.cli", "ingest", "--wait"],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        typer.echo(f"Ingest runs in the background; it reports to {log}")
        return
    console = new_console(stderr=as_json)
    with clear_errors():
        result = _ingest_with_progress(home, console)
    counts = _status_counts(result)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "files": counts,
                    "runs": len(result.runs),
                    "failed": [
                        {"partition": run.partition_key, "products": run.products, "problems": run.problems}
                        for run in result.failed
                    ],
                }
            )
        )
    else:
        console.print(
            "Files: "
            + (", ".join(f"{number} {status}" for status, number in counts.items()) or "nothing new")
            + f". Runs: {len(result.runs)}, failed: {len(result.failed)}."
        )
        _say_failures(console, result)
    if result.failed:
        raise typer.Exit(1)


def _ingest_with_progress(home: Home, console: Any) -> IngestResult:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from palbo_assets.ingest import ingest as run_ingest

    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=not console.is_terminal,
    ) as bars:
        tasks: dict[int, Any] = {}
        scanning = bars.add_task("scanning the landing zone", total=None)

        def show(progress: Progress) -> None:
            bars.update(scanning, visible=False)
            if progress.ingest_pass not in tasks:
                tasks[progress.ingest_pass] = bars.add_task(f"pass {progress.ingest_pass}", total=progress.total)
            bars.update(tasks[progress.ingest_pass], completed=progress.done)

        return run_ingest(home, on_progress=show)


def _status_counts(result: IngestResult) -> dict[str, int]:
    return result.reports[0].counts if result.reports else {}


def _say_failures(console: Any, result: IngestResult, *, expected: bool = False) -> None:
    for run in result.failed:
        for problem in run.problems:
            console.print(f"[red]{run.level} {run.partition_key}[/red] {problem}", soft_wrap=True)
    if result.failed and expected:
        console.print("(a planted fault that only its product can detect fails here; all others go on)")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(exists=True, help="A delivery folder, or one file.")], as_json: AsJson = False
) -> None:
    """Say what the landing would say of a delivery, offline; nothing is written."""

    from palbo_assets.landing.intake import genome_context
    from palbo_assets.landing.scan import check as check_delivery
    from palbo_assets.platform.resources import InstallationResource

    with clear_errors():
        report = check_delivery(path, genome=genome_context(InstallationResource()))
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        new_console().print(report.as_table())
    if report.refused:
        raise typer.Exit(1)


@app.command()
def ledger(
    patient: Annotated[str, typer.Option(help="Only this patient.")] = "",
    state: Annotated[str, typer.Option(help="Only cells in this state, e.g. OVERDUE.")] = "",
    as_json: AsJson = False,
) -> None:
    """What is expected, received, late, failed or not planned, per patient, timepoint and assay."""
    from rich.table import Table

    from palbo_assets.clinical.tables import DELIVERY_LEDGER
    from palbo_assets.landing.relabel import events, in_force

    with clear_errors(), open_warehouse() as warehouse:
        rows = warehouse.read(DELIVERY_LEDGER)
        corrected = list(in_force(events(warehouse.engine)).values())
    if patient:
        corrected = [one for one in corrected if patient in (one.patient_before, one.patient_after)]
    if patient:
        rows = rows[rows["patient_id"] == patient]
    if state:
        rows = rows[rows["state"] == state.upper()]
    if as_json:
        places = [
            ((one.patient_before, one.timepoint_before), (one.patient_after, one.timepoint_after), one.sentence())
            for one in corrected
        ]
        import pandas as pd

        told = [
            [text for before, after, text in places if place in (before, after)]
            for place in zip(rows["patient_id"], rows["timepoint"], strict=True)
        ]
        typer.echo(rows.assign(relabelled=pd.Series(told, index=rows.index, dtype=object)).to_json(orient="records"))
        return
    table = Table("patient", "timepoint", "assay", "state", "reason")
    for row in rows[rows["state"] != "NOT_EXPECTED"].fillna("").to_dict("records"):
        table.add_row(row["patient_id"], row["timepoint"], row["assay"], row["state"], row["reason"])
    console = new_console()
    console.print(table)
    for one in corrected:
        console.print(one.sentence(), markup=False, highlight=False)


@app.command()
def relabel(
    names: Annotated[list[str], typer.Argument(help="Specimen ids of manifests, or paths in the landing zone.")],
    to: Annotated[str, typer.Option(help="Patient that they belong to; a timepoint may follow.")] = "",
    swap: Annotated[bool, typer.Option("--swap", help="The two named specimens were exchanged.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last correction back, both sides of a swap.")] = False,
    reason: Annotated[str, typer.Option(help="How it is known; kept with the correction.")] = "",
    by: Annotated[str, typer.Option(help="Who says so; the user of this machine when left out.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Materialise at once what became due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Correct whose a specimen is. Raw files and manifests stay; what depends on the specimen is made anew."""
    import getpass

    from palbo_assets.landing import relabel as corrections
    from palbo_assets.platform.consent import withdrawn_patients
    from palbo_assets.platform.product import SPECS
    from palbo_assets.study.vocabulary import TIMEPOINTS

    with clear_errors(), open_warehouse() as warehouse:
        actor = by.strip() or getpass.getuser()
        if sum((bool(to), swap, undo)) != 1:
            raise PalboError("E_RELABEL", "say one of --to, --swap and --undo", fix="see `palbo relabel --help`")
        if undo:
            written = corrections.undo(warehouse.engine, names, reason=reason, actor=actor)
        elif swap:
            if len(names) != 2:
                raise PalboError("E_RELABEL", "a swap has two sides", fix="name exactly two specimens")
            gone = withdrawn_patients(warehouse, SPECS)
            written = corrections.swap(warehouse.engine, *names, reason=reason, actor=actor, withdrawn=gone)
        else:
            # `--to PATIENT TIMEPOINT`: a timepoint is no specimen's name.
            stated = [name for name in names if name in TIMEPOINTS]
            if len(stated) > 1 or not set(names) - set(stated):
                raise PalboError(
                    "E_RELABEL", "that names no specimen, or two timepoints", fix="see `palbo relabel --help`"
                )
            written = corrections.relabel(
                warehouse.engine,
                [name for name in names if name not in stated],
                patient_id=to,
                timepoint="".join(stated),
                reason=reason,
                actor=actor,
                withdrawn=withdrawn_patients(warehouse, SPECS),
            )
    console = new_console(stderr=as_json)
    if as_json:
        typer.echo(json.dumps([vars(one) for one in written]))
    else:
        for one in written:
            console.print(one.sentence(), markup=False, highlight=False)
        if not wait:
            console.print("The landing sensor, or `palbo ingest --wait`, makes anew what depends on it.")
    if wait:
        with clear_errors():
            result = _ingest_with_progress(Home.from_environment(), console)
        _say_failures(console, result)
        if result.failed:
            raise typer.Exit(1)


@app.command("panel-bed")
def panel_bed(
    version: Annotated[str, typer.Argument(help="Name of the next panel version, e.g. v2.")],
    out: Annotated[Path | None, typer.Option(help="File to write; printed without it.")] = None,
) -> None:
    """The next plasma panel as a BED to order: today's regions and the targets that the trial's findings ask for."""
    from palbo_assets.ctdna.tables import CTDNA_PANELS
    from palbo_assets.resistance.panel_bed import next_panel_bed
    from palbo_assets.resistance.tables import CTDNA_PANEL_EXTENSION

    with clear_errors(), open_warehouse() as warehouse:
        text = next_panel_bed(warehouse.read(CTDNA_PANELS), warehouse.read(CTDNA_PANEL_EXTENSION), version)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"{out}: {text.count(chr(10)) - 1} regions. Deliver it as panel_bed with panel_version {version}.")


@app.command()
def trace(patient: str, timepoint: str, column: str, as_json: AsJson = False) -> None:
    """Where one value of the integrated table comes from: value, product, version, run, inputs, files, deliveries."""

    from palbo_assets.trace import trace_value

    with clear_errors(), open_warehouse() as warehouse:
        found = trace_value(warehouse, patient, timepoint, column)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
    else:
        new_console().print(found.as_tree())


@app.command()
def up(port: Annotated[int, typer.Option(help="Port of the UI on this machine.")] = 3000) -> None:
    """Serve the Dagster UI and run its daemon for this installation, until interrupted."""
    from palbo_assets.ingest import prepare

    home = Home.from_environment()
    with clear_errors():
        prepare(home)
    environment = {
        **os.environ,
        "PALBO_HOME": str(home.root),
        "PALBO_DATABASE_URL": home.database_url,
        "PALBO_REFERENCE": str(home.reference),
        "DAGSTER_HOME": str(home.dagster_home),
    }
    dagster = shutil.which("dagster", path=str(Path(sys.executable).parent)) or "dagster"
    typer.echo(f"Dagster UI: http://127.0.0.1:{port}   landing zone: {home.landing}")
    os.chdir(home.root)
    os.execve(
        dagster,
        [dagster, "dev", "-m", "palbo_assets.definitions", "-h", "127.0.0.1", "-p", str(port)],
        environment,
    )


@reference_app.command("check")
def reference_check(as_json: AsJson = False) -> None:
    """Verify every entry of the reference bundle, and list what is missing and what needs it."""
    from rich.table import Table

    import palbo_assets.definitions  # noqa: F401  (declares every product)
    from palbo_assets.platform.errors import ReferenceBundleError
    from palbo_assets.platform.product import SPECS
    from palbo_assets.platform.references import ReferenceBundle

    with clear_errors():
        bundle = ReferenceBundle.load(Home.from_environment().reference)
    users: dict[str, list[str]] = {}
    for spec in SPECS.values():
        for name in spec.references:
            users.setdefault(name, []).append(spec.name)
    rows: list[dict[str, Any]] = []
    for name in sorted({*users, *bundle.entries}):
        try:
            bundle.path(name)
            verdict = "ok"
        except ReferenceBundleError as error:
            verdict = error.code
        rows.append({"name": name, "verdict": verdict, "needed_by": sorted(users.get(name, []))})
    if as_json:
        typer.echo(json.dumps({"build": bundle.build, "entries": rows}, indent=1))
    else:
        table = Table("entry", "verdict", "needed by", title=f"{bundle.folder} (build {bundle.build or 'none'})")
        for row in rows:
            table.add_row(row["name"], row["verdict"], ", ".join(row["needed_by"]))
        new_console().print(table)
    if any(row["verdict"] == "E_REFERENCE_CHECKSUM" for row in rows):
        raise typer.Exit(1)


@reference_app.command("add")
def reference_add(
    name: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    version: str = "",
    licence: str = "",
    source: str = "",
    build: Annotated[str, typer.Option(help="Genome build; needed for the first entry.")] = "",
) -> None:
    """Copy a file into the reference bundle and register it with its checksum."""
    from palbo_assets.platform.references import add_entry

    with clear_errors():
        entry = add_entry(
            Home.from_environment().reference, name, file, build=build, version=version, licence=licence, source=source
        )
    typer.echo(f"{entry.name}: {entry.file}, sha256 {entry.sha256}")
