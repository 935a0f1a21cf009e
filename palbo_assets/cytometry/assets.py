"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.clinical.tables import SAMPLE_MANIFEST
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.tables import (
    BLOOD_COUNTS,
    FACS_ABUNDANCES,
    FACS_BATCH_BOUNDS,
    FACS_CHANGES,
    FACS_DENSITIES,
    FACS_GATES,
    FACS_QC,
    FACS_RATIOS,
    ORIGINS,
)
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Modality, Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.cytometry.acquisition import Acquisition
    from palbo_assets.cytometry.gating import Stained
    from palbo_assets.cytometry.strategy import Strategy

GROUP = "cytometry"
READS = (str(Modality.FACS),)
SOURCES = ("batch", "sample", "strategy")


@product(BLOOD_COUNTS, BATCH, reads=READS, code_version="2", group=GROUP, kinds={"pandas", "sql"})
def blood_counts(step: Step) -> pd.DataFrame:
    """Leukocytes and lymphocytes per microlitre, from one blood-count export."""
    from palbo_assets.cytometry.blood_counts import read_blood_counts

    rows: dict[tuple[str, str, int], dict[str, Any]] = {}
    for file in step.files("cbc"):
        for row in read_blood_counts(file.path):
            key = (row["patient_id"], row["timepoint"], row["days_from_draw"])
            if rows.setdefault(key, row) != row:
                raise InputError(
                    "E_SCHEMA",
                    "two exports state different counts for one visit and day",
                    file=file.path.name,
                    fix="deliver a correction under the name of the export that it replaces",
                )
    frame = frame_from_rows(BLOOD_COUNTS, [{"cbc_id": step.partition_key, **rows[key]} for key in sorted(rows)])
    step.report(counts=len(frame), patients=int(frame["patient_id"].nunique()))
    return frame


@product(
    FACS_DENSITIES,
    SAMPLE,
    reads=READS,
    references=("facs_gating",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def facs_densities(step: Step) -> pd.DataFrame:
    """What each bound is placed on, and where the sample's own events and control tubes put it."""
    from palbo_assets.cytometry.batches import batch_of, density_rows
    from palbo_assets.cytometry.controls import read_controls
    from palbo_assets.cytometry.preparation import preparation_of
    from palbo_assets.cytometry.thresholds import Placing

    strategy = _strategy(step)
    rows: list[dict[str, Any]] = []
    for keys, file in _tubes(step):
        sample = _stained(step, keys, file, strategy)
        placing = Placing(
            sample, strategy, step.settings, read_controls(_controls(step, keys, strategy), sample, strategy)
        )
        placing.place_all()
        preparation = preparation_of(file.sample_name)
        batch = batch_of(sample, strategy, panel_lot=file.panel_version, preparation=preparation)
        rows += [{**keys, **row} for row in density_rows(placing, batch)]
    frame = frame_from_rows(FACS_DENSITIES, rows)
    step.report(**{f"bounds_{origin}": int((frame["origin"] == origin).sum()) for origin in ORIGINS})
    return frame


@product(
    FACS_BATCH_BOUNDS,
    COHORT,
    upstream=(FACS_DENSITIES,),
    by_patient=True,
    references=("facs_gating",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def facs_batch_bounds(step: Step, facs_densities: pd.DataFrame) -> pd.DataFrame:
    """Bounds placed on the pooled events of the specimens that one cytometer acquired at one setting and lot.

    A further specimen of a batch may move its bounds a little; the others' products are then made anew.
    """
    from palbo_assets.cytometry.batches import batch_bounds

    frame = frame_from_rows(FACS_BATCH_BOUNDS, batch_bounds(_records(facs_densities), _strategy(step), step.settings))
    step.report(batches=int(frame["batch"].nunique()), specimens=int(frame["specimen_id"].nunique()))
    return frame


@product(
    FACS_GATES,
    SAMPLE,
    reads=READS,
    upstream=(FACS_DENSITIES, FACS_BATCH_BOUNDS),
    references=("facs_gating",),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def facs_gates(step: Step, facs_densities: pd.DataFrame, facs_batch_bounds: pd.DataFrame) -> pd.DataFrame:
    """Bounds between negative and positive: the batch's where they suit the sample, else its own, else fixed ones."""
    from palbo_assets.cytometry.batches import chosen
    from palbo_assets.cytometry.gating import gate
    from palbo_assets.cytometry.gating_plot import gating_picture

    strategy = _strategy(step)
    pooled = {(row["specimen_id"], row["cut"]): row for row in _records(facs_batch_bounds)}
    rows = []
    for own in _records(facs_densities):
        keys = {name: own[name] for name in ("patient_id", "timepoint", "specimen_id", "gating_version")}
        found = chosen(own, pooled.get((own["specimen_id"], own["cut"])), strategy, step.settings)
        rows.append({**keys, "within": strategy.cuts[own["cut"]].within, **found})
    frame = frame_from_rows(FACS_GATES, rows)
    pictures: list[str] = []
    for keys, file in _tubes(step):
        sample, bounds = _stained(step, keys, file, strategy), _bounds(frame, keys)
        origins = _origins(frame, keys)
        picture = gating_picture(sample, strategy, gate(sample, strategy, bounds), bounds, origins)
        if picture is not None:
            pictures.append(f"![gating tree](data:image/png;base64,{picture})")
    if pictures:
        step.report(gating_tree=dg.MetadataValue.md("\n\n".join(pictures)))
    step.report(**{f"bounds_of_{source}": int((frame["source"] == source).sum()) for source in SOURCES})
    return frame


@product(
    FACS_QC,
    SAMPLE,
    reads=READS,
    upstream=(FACS_GATES,),
    references=("facs_gating",),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def facs_qc(step: Step, facs_gates: pd.DataFrame) -> pd.DataFrame:
    """Events, viability, saturated events and stability of each acquisition, and the verdict with its reasons."""
    from palbo_assets.cytometry.controls import label_of
    from palbo_assets.cytometry.preparation import preparation_of
    from palbo_assets.cytometry.quality import assess

    strategy = _strategy(step)
    rows = []
    for keys, file in _tubes(step):
        acquisition = _acquired(step, keys, file, strategy, facs_gates)
        found = assess(
            acquisition.events,
            acquisition.sample,
            acquisition.gated,
            step.settings,
            preparation=preparation_of(file.sample_name),
        )
        rows.append(
            {
                **keys,
                "compensation": acquisition.sample.origin,
                "panel_lot": file.panel_version or None,
                "controls": ";".join(sorted(label_of(kind) for kind, _ in _controls(step, keys, strategy))) or None,
                **found,
            }
        )
    frame = frame_from_rows(FACS_QC, rows)
    step.report(events=int(frame["events"].sum()), verdict=";".join(sorted(set(frame["verdict"]))))
    return frame


@product(
    FACS_ABUNDANCES,
    SAMPLE,
    reads=READS,
    upstream=(FACS_GATES, FACS_QC, BLOOD_COUNTS),
    references=("facs_gating",),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def facs_abundances(
    step: Step, facs_gates: pd.DataFrame, facs_qc: pd.DataFrame, blood_counts: pd.DataFrame
) -> pd.DataFrame:
    """Immune sub-populations: percentage of the parent and of the leukocytes, cells per microlitre, intensities."""
    from palbo_assets.cytometry.abundance import abundances
    from palbo_assets.cytometry.acquisition import count
    from palbo_assets.cytometry.blood_counts import nearest
    from palbo_assets.cytometry.preparation import PBMC, preparation_of

    strategy = _strategy(step)
    failed = set(facs_qc.loc[facs_qc["verdict"] == str(Qc.FAIL), "specimen_id"])
    gatings = [file.path for file in step.files("gating")]
    rows = []
    for keys, file in _tubes(step):
        acquisition = _acquired(step, keys, file, strategy, facs_gates)
        gating, counted = count(acquisition, strategy, gatings, _origins(facs_gates, keys))
        found = abundances(
            counted,
            strategy.lymphocytes,
            nearest(blood_counts),
            step.settings,
            failed=keys["specimen_id"] in failed,
            beads=strategy.beads,
            lost=strategy.whole_blood_only if preparation_of(file.sample_name) == PBMC else (),
        )
        rows += [{**keys, "gating": gating.kind, "gating_version": gating.version, **row} for row in found]
    frame = frame_from_rows(FACS_ABUNDANCES, rows)
    step.report(
        populations=len(frame),
        evaluated=int((frame["status"] == OBSERVED).sum()),
        absolute_counts=int((frame["abs_status"] == OBSERVED).sum()),
    )
    return frame


@product(
    FACS_RATIOS,
    SAMPLE,
    upstream=(FACS_ABUNDANCES,),
    references=("facs_gating",),
    code_version="1",
    group=GROUP,
    kinds={"sql"},
)
def facs_ratios(step: Step, facs_abundances: pd.DataFrame) -> pd.DataFrame:
    """CD4 to CD8, CD8 to regulatory T cells, and whatever other ratios the gating names."""
    from palbo_assets.cytometry.ratios import ratios_of

    ratios = _strategy(step).ratios
    rows = [
        {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen, **row}
        for specimen, own in facs_abundances.groupby("specimen_id", sort=True)
        for row in ratios_of(_records(own), ratios)
    ]
    frame = frame_from_rows(FACS_RATIOS, rows)
    step.report(ratios=len(frame), observed=int((frame["status"] == OBSERVED).sum()))
    return frame


@product(
    FACS_CHANGES,
    PATIENT,
    upstream=(FACS_ABUNDANCES, FACS_RATIOS, FACS_QC, SAMPLE_MANIFEST),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"sql"},
)
def facs_changes(
    step: Step,
    facs_abundances: pd.DataFrame,
    facs_ratios: pd.DataFrame,
    facs_qc: pd.DataFrame,
    sample_manifest: pd.DataFrame,
) -> pd.DataFrame:
    """Change of abundances, ratios and intensities between a patient's visits, and what makes two visits unlike."""
    from palbo_assets.cytometry.changes import changes, visits_of

    tables = (facs_qc, facs_abundances, facs_ratios, sample_manifest)
    visits = visits_of(*(_records(table) for table in tables))
    rows = [{"patient_id": step.patient_id, **row} for row in changes(visits, step.settings)]
    frame = frame_from_rows(FACS_CHANGES, rows)
    flags = {flag for flags in frame["flags"].dropna() for flag in flags.split(";")}
    step.report(visits=len(visits), changes=len(frame), flags=";".join(sorted(flags)) or "none")
    return frame


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for null."""
    import pandas as pd

    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _strategy(step: Step) -> Strategy:
    from palbo_assets.cytometry.strategy import load_strategy

    return load_strategy(step.references.get("facs_gating"))


def _bounds(facs_gates: pd.DataFrame, keys: dict[str, str]) -> dict[str, float]:
    """Linear bounds of a specimen's cuts, by name; without those whose channel the tube lacks."""
    own = facs_gates[(facs_gates["specimen_id"] == keys["specimen_id"]) & facs_gates["bound_linear"].notna()]
    return {str(cut): float(bound) for cut, bound in zip(own["cut"], own["bound_linear"], strict=True)}


def _origins(facs_gates: pd.DataFrame, keys: dict[str, str]) -> dict[str, str]:
    """Where a specimen's bounds come from, by cut: ``valley``, or ``batch-valley`` for a pooled one."""
    own = facs_gates[(facs_gates["specimen_id"] == keys["specimen_id"]) & facs_gates["origin"].notna()]
    return {
        str(cut): f"batch-{origin}" if source == "batch" else str(origin)
        for cut, origin, source in zip(own["cut"], own["origin"], own["source"], strict=True)
    }


def _stained(step: Step, keys: dict[str, str], file: Any, strategy: Strategy) -> Stained:
    from palbo_assets.cytometry.acquisition import read_stained

    controls = _controls(step, keys, strategy)
    return read_stained(file.path, strategy, _panel(step), _matrix(step, keys), controls, step.settings)[1]


def _acquired(step: Step, keys: dict[str, str], file: Any, strategy: Strategy, facs_gates: pd.DataFrame) -> Acquisition:
    from palbo_assets.cytometry.acquisition import read_acquisition

    bounds, controls = _bounds(facs_gates, keys), _controls(step, keys, strategy)
    return read_acquisition(file.path, strategy, _panel(step), bounds, _matrix(step, keys), controls, step.settings)


def _panel(step: Step) -> Path | None:
    panels = step.files("panel")
    if len(panels) > 1:
        raise InputError("E_SCHEMA", f"the study has {len(panels)} panels", fix="keep one panel table")
    return panels[0].path if panels else None


def _matrix(step: Step, keys: dict[str, str]) -> Path | None:
    """The compensation matrix delivered for a specimen, or for all of the sample's."""
    own = [file.path for file in step.files("compensation") if file.specimen_id in ("", keys["specimen_id"])]
    if len(own) > 1:
        raise InputError(
            "E_SPILL",
            f"{len(own)} compensation matrices were delivered for the specimen",
            file=own[0].name,
            fix="keep one; a correction keeps the file name, so that it supersedes",
        )
    return own[0] if own else None


def _controls(step: Step, keys: dict[str, str], strategy: Strategy) -> list[tuple[str, Path]]:
    """Kind and path of each control tube of a specimen, or of all of the sample's."""
    from palbo_assets.cytometry.controls import kind_of

    return [
        (kind_of(file.sample_name, strategy, file=file.path.name), file.path)
        for file in step.files("control")
        if file.specimen_id in ("", keys["specimen_id"])
    ]


def _tubes(step: Step) -> Iterator[tuple[dict[str, str], Any]]:
    """Keys and FCS file of each specimen of the partition."""
    seen: set[str] = set()
    for file in step.files("fcs"):
        specimen_id = file.specimen_id or f"{step.patient_id}-{step.timepoint}"
        if specimen_id in seen:
            raise InputError(
                "E_SCHEMA",
                "the specimen has more than one FCS file",
                file=file.path.name,
                fix="deliver one stained tube a specimen; a correction keeps the file name, so that it supersedes",
            )
        seen.add(specimen_id)
        yield {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen_id}, file


ASSETS = (
    blood_counts,
    facs_densities,
    facs_batch_bounds,
    facs_gates,
    facs_qc,
    facs_abundances,
    facs_ratios,
    facs_changes,
)
