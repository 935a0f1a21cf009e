"""``palbo check``: what the landing would say, for labs, before they send anything. Nothing is written."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import sqlalchemy as sa

from palbo_assets.landing.admission import Budget
from palbo_assets.landing.claims import Registry, claimed_entries
from palbo_assets.landing.ledger import metadata
from palbo_assets.landing.names import MANIFEST
from palbo_assets.landing.problem import Problem, Status, problem
from palbo_assets.landing.recognise import by_suffix
from palbo_assets.landing.report import FileVerdict, ScanReport
from palbo_assets.landing.sandbox import Sandbox
from palbo_assets.landing.settings import Settings
from palbo_assets.landing.work import report_of, work
from palbo_assets.landing.zone import Zone, read_delivery
from palbo_assets.platform import formats
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context


def check(
    path: Path,
    *,
    genome: Context | None = None,
    settings: Settings | None = None,
    registry: Registry | None = None,
    withdrawn: frozenset[str] = frozenset(),
) -> ScanReport:
    """What the landing would say of a delivery's folder or of one file, without limits on work; nothing is written.

    A file is judged by its row when it lies in a delivery; otherwise by every format that its suffix suits.

    Raises
    ------
    InputError
        ``E_MISSING``: there is nothing at ``path``.
    """
    known = formats.registry() if registry is None else registry
    limits = (settings or Settings()).model_copy(
        update={"settle_seconds": 0.0, "seconds_per_scan": 1e9, "bytes_per_scan": 2**62}
    )
    path = path.absolute()
    if path.is_dir():
        return _check_folder(path, genome or Context(), limits, known, withdrawn)
    if not path.is_file():
        raise InputError("E_MISSING", "there is no such file or folder", file=path.name, fix="check the path")
    for folder in list(path.parents)[:4]:
        if path.name != MANIFEST and (folder / MANIFEST).is_file():
            report = _check_folder(folder, genome or Context(), limits, known, withdrawn)
            inside = path.relative_to(folder).as_posix()
            return replace(
                report, files=tuple(item for item in report.files if item.file == inside), changed=(), problems={}
            )
    if path.name == MANIFEST:
        return _check_folder(path.parent, genome or Context(), limits, known, withdrawn)
    return _check_file(path, genome or Context(), limits, known)


def _check_folder(
    folder: Path, genome: Context, settings: Settings, registry: Registry, withdrawn: frozenset[str]
) -> ScanReport:
    delivery = read_delivery(folder, folder.name, folder.parent.name)
    if delivery.manifest is None:
        missing = problem("W_NO_MANIFEST", "the folder holds no delivery.csv", fix="add a delivery.csv, written last")
        return ScanReport(problems={folder.name: (missing,)}, awaited=(folder.name,))
    engine = _empty_ledger()
    budget = Budget(settings.seconds_per_scan, settings.bytes_per_scan)
    zone = Zone([delivery])
    claimed = claimed_entries(zone, folder.parent, registry, settings)
    entries = work(claimed, {}, {}, engine, folder.parent, settings, budget, 0.0, genome, registry, withdrawn)
    report = report_of(entries, [], {}, claimed, zone, folder.parent, budget)
    return replace(report, seconds=budget.spent)


def _check_file(path: Path, genome: Context, settings: Settings, registry: Registry) -> ScanReport:
    """One file without a manifest: the first format that can read it, or what the likeliest one says."""
    fitting = by_suffix(path.name, registry.values())
    if not fitting:
        known = ", ".join(sorted({suffix for item in registry.values() for suffix in item.suffixes}))
        return _one(path, problem("E_UNKNOWN_ROLE", "the suffix suits no known kind of file", fix=f"known: {known}"))
    if path.stat().st_size == 0:
        return _one(path, problem("E_EMPTY", "the file is empty"))
    first: FileVerdict | None = None
    with Sandbox(settings) as sandbox:
        for item in fitting:
            claim = Claim(path.name, item.modality, role=item.role)
            verdict = sandbox.verify(path, claim, replace(genome, siblings={}), item)
            said = replace(_verdict(path, verdict.problem), modality=item.modality, role=item.role)
            if verdict.problem is None:
                return ScanReport(files=(said,))
            first = first or said
    return ScanReport(files=(first,) if first else ())


def _one(path: Path, found: Problem) -> ScanReport:
    return ScanReport(files=(_verdict(path, found),))


def _verdict(path: Path, found: Problem | None) -> FileVerdict:
    about = {name: value for name, value in asdict(found).items() if name != "code"} if found else {}
    status = found.status if found else Status.ACCEPTED
    return FileVerdict(path.name, "", path.name, status, reason=found.code if found else "", **about)


def _empty_ledger() -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine)
    return engine
