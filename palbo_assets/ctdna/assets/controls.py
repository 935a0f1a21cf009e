"""Control samples of the sequencing runs, and what they say of each run's plasmas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import GROUP, READS, panel_of_version, plasmas
from palbo_assets.ctdna.steps import run_of_file as _run
from palbo_assets.ctdna.tables import CTDNA_CONTROLS, CTDNA_RUN_QC
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import COHORT
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.ctdna.controls import ControlAllele
    from palbo_assets.landing.files import LandedFile


@product(
    CTDNA_CONTROLS,
    COHORT,
    reads=READS,
    roles=("control_bam", "panel_bed"),
    references=("genome_fasta", "ctdna_control_alleles"),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "scipy", "sql"},
)
def ctdna_controls(step: Step) -> pd.DataFrame:
    """Molecules of controls without template, and the expected alleles of reference standards, per sequencing run."""
    from palbo_assets.ctdna.controls import read_control_alleles
    from palbo_assets.study.reference_lists import hold_lists_to_build

    hold_lists_to_build(step, ("ctdna_control_alleles",))
    listed = step.references.get("ctdna_control_alleles")
    standards = read_control_alleles(listed) if listed else {}
    rows: list[dict[str, Any]] = []
    for file in sorted(step.files("control_bam"), key=lambda file: (file.sample_name, file.sha256)):
        about = {"control": file.sample_name, "bam_sha256": file.sha256, "material": file.specimen_id or None}
        about |= {"panel_version": file.panel_version or None, "sequencing_run": _run(file.path)}
        try:
            found = _judged(step, file, standards)
        except InputError as error:  # one control that can't be counted doesn't silence the others
            found = [{"element": "control", "verdict": None, "reason": error.code}]
        rows += [{**about, **row} for row in found]
    verdicts = [row["verdict"] for row in rows]
    step.report(controls=len(step.files("control_bam")), **{str(one): verdicts.count(str(one)) for one in Qc})
    return frame_from_rows(CTDNA_CONTROLS, rows)


def _judged(step: Step, file: LandedFile, standards: dict[str, list[ControlAllele]]) -> list[dict[str, Any]]:
    from palbo_assets.ctdna.controls import (
        NO_TEMPLATE,
        UNKNOWN_MATERIAL,
        UNKNOWN_PANEL,
        no_template_row,
        standard_rows,
    )
    from palbo_assets.ctdna.molecules import count_molecules, fasta_reference

    fasta, panel = step.references.get("genome_fasta"), panel_of_version(step, file.panel_version)
    without = file.specimen_id.upper() == NO_TEMPLATE
    if panel is None or fasta is None or not (without or file.specimen_id in standards):
        reason = UNKNOWN_PANEL if panel is None else "no_genome" if fasta is None else UNKNOWN_MATERIAL
        return [{"element": "control", "verdict": None, "reason": reason}]
    counts = count_molecules(file.path, panel, fasta_reference(fasta), step.settings)
    if without:
        return [no_template_row(counts, step.settings)]
    return standard_rows(counts, panel, standards[file.specimen_id], step.settings)


@product(
    CTDNA_RUN_QC,
    COHORT,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam"),
    upstream=(CTDNA_CONTROLS,),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"bam", "sql"},
    by_patient=True,
)
def ctdna_run_qc(step: Step, ctdna_controls: pd.DataFrame) -> pd.DataFrame:
    """Each plasma's sequencing run and the verdict of that run's controls; other runs' don't matter to it."""
    from palbo_assets.ctdna.controls import verdict_of_run

    of_run: dict[str, list[dict[str, Any]]] = {}
    for row in ctdna_controls.astype(object).where(ctdna_controls.notna(), None).to_dict("records"):
        of_run.setdefault(row["sequencing_run"], []).append({str(name): value for name, value in row.items()})
    delivered = plasmas(step)
    alone = _unique_dual_indexes(delivered)
    rows = []
    for file in sorted(delivered, key=lambda file: (file.patient_id, file.timepoint, file.specimen_id)):
        run = _run(file.path)
        controls = of_run.get(run, []) if run else []
        verdict, reasons = verdict_of_run(controls, step.settings)
        rows.append(
            {
                "patient_id": file.patient_id, "timepoint": file.timepoint, "specimen_id": file.specimen_id,
                "sequencing_run": run, "controls": len({(row["control"], row["bam_sha256"]) for row in controls}),
                "verdict": None if verdict is None else str(verdict), "reasons": ";".join(reasons),
                "unique_dual_index": alone.get(file.sha256),
            }
        )  # fmt: skip
    step.report(plasmas=len(rows), runs=len({row["sequencing_run"] for row in rows} - {""}))
    return frame_from_rows(CTDNA_RUN_QC, rows)


def _unique_dual_indexes(files: list[LandedFile]) -> dict[str, bool | None]:
    """By the BAM's hash, within its run."""
    from palbo_assets.ctdna.index_hopping import barcode_of, unique_dual_indexes

    of_run: dict[str, dict[str, str]] = {}
    for file in files:
        run = _run(file.path)
        if run:
            of_run.setdefault(run, {})[file.sha256] = barcode_of(file.path)
    return {library: alone for stated in of_run.values() for library, alone in unique_dual_indexes(stated).items()}
