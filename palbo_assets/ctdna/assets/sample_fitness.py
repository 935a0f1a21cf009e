"""Whether a plasma is fit, by what only other samples tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import GROUP
from palbo_assets.ctdna.tables import CTDNA_BURDEN, CTDNA_FITNESS, CTDNA_INDEX_HOPPING, CTDNA_QC, CTDNA_RUN_QC
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows, records
from palbo_assets.study.partitions import PATIENT
from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes.tables import PLASMA_CONTAMINATION

if TYPE_CHECKING:
    import pandas as pd


@product(
    CTDNA_FITNESS,
    PATIENT,
    upstream=(CTDNA_QC, CTDNA_BURDEN, PLASMA_CONTAMINATION, CTDNA_RUN_QC, CTDNA_INDEX_HOPPING),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def ctdna_fitness(
    step: Step,
    ctdna_qc: pd.DataFrame,
    ctdna_burden: pd.DataFrame,
    plasma_contamination: pd.DataFrame,
    ctdna_run_qc: pd.DataFrame,
    ctdna_index_hopping: pd.DataFrame,
) -> pd.DataFrame:
    """Whether a plasma is fit to tell of a tumour, by what only other samples tell: another person's DNA, copies of
    its run's other libraries, its run's controls."""
    from palbo_assets.ctdna.fitness import fitness

    largest = {row["specimen_id"]: row["max_vaf"] for row in records(ctdna_burden)}
    foreign = {row["specimen_id"]: row for row in records(plasma_contamination)}
    runs = {row["specimen_id"]: row for row in records(ctdna_run_qc)}
    hopping: dict[str, list[dict[str, Any]]] = {}
    for row in records(ctdna_index_hopping):
        hopping.setdefault(row["specimen_id"], []).append(row)
    rows = []
    for qc in ctdna_qc.to_dict("records"):
        specimen = qc["specimen_id"]
        found = fitness(
            foreign.get(specimen), largest.get(specimen), runs.get(specimen), step.settings, hopping.get(specimen, [])
        )
        rows.append({**{name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}, **found})
    step.report(plasmas=len(rows), unfit=sum(row["verdict"] == Qc.FAIL for row in rows))
    return frame_from_rows(CTDNA_FITNESS, rows)
