"""The products of one plasma: the quality of its molecules, the calls and the burden."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import (
    GROUP,
    READS,
    background_of,
    panel_of_version,
    plasmas,
    sample_keys,
    stated_background,
    wet_lab_row,
)
from palbo_assets.ctdna.tables import (
    CTDNA_BACKGROUND,
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_MOLECULES,
    CTDNA_QC,
    CTDNA_WET_LAB,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Qc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from palbo_assets.ctdna.background import Background
    from palbo_assets.ctdna.calling import Call
    from palbo_assets.genomics.consequence import Consequence


@product(
    CTDNA_QC,
    SAMPLE,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "panel_bed"),
    upstream=(CTDNA_MOLECULES, CTDNA_WET_LAB),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def ctdna_qc(step: Step, ctdna_molecules: pd.DataFrame, ctdna_wet_lab: pd.DataFrame) -> pd.DataFrame:
    """Unique depth, evenness, on-target share and family sizes of each plasma, and the verdict with its reasons."""
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.quality import assess, barcode_figures, conversion, library_figures, panel_depth, unchecked

    rows: list[dict[str, Any]] = []
    for file in plasmas(step):
        row: dict[str, Any] = {**sample_keys(step, file.specimen_id), "status": OBSERVED, "delivered": file.role}
        plasma = plasma_of(ctdna_molecules[ctdna_molecules["specimen_id"] == file.specimen_id])
        if plasma is None:
            row |= {"status": str(Absence.NOT_EVALUABLE), "reasons": "unknown_panel"}
            rows.append(row)
            continue
        counts = plasma.counts
        lab = wet_lab_row(ctdna_wet_lab, file.specimen_id)
        measured = panel_depth(counts, step.settings)
        measured["conversion"] = conversion(measured["unique_depth_median"] or 0.0, (lab or {}).get("input_ng"))
        measured |= library_figures(plasma)
        verdict, reasons = assess(measured, lab, step.settings)
        row |= {name: value for name, value in measured.items() if name in CTDNA_QC.column_names}
        row |= {"fragment_peak_lab_bp": (lab or {}).get("fragment_peak_bp"), "not_checked": unchecked(measured, lab)}
        row |= {"panel_version": plasma.panel_version, "panel_bp": sum(len(one.reference) for one in counts.regions)}
        row |= barcode_figures(plasma.barcodes) or {"consensus_reads": counts.reads}
        row |= {"verdict": str(verdict), "reasons": reasons}
        rows.append(row)
    frame = frame_from_rows(CTDNA_QC, rows)
    step.report(plasmas=len(rows), passed=int((frame["verdict"] == Qc.PASS).sum()))
    return frame


@product(
    CTDNA_CALLS,
    SAMPLE,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "panel_bed"),
    upstream=(CTDNA_MOLECULES, CTDNA_QC, CTDNA_WET_LAB, CTDNA_BACKGROUND),
    references=("genome_fasta", "ctdna_background", "hotspot_sites", "genes_gff3", "transcripts", "hotspots"),
    settings=Settings,
    code_version="7",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def ctdna_calls(
    step: Step,
    ctdna_molecules: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    ctdna_wet_lab: pd.DataFrame,
    ctdna_background: pd.DataFrame,
) -> pd.DataFrame:
    """State of every tracked site, and new variants, per plasma: exact tail p-values against the background, and LoD.

    ABSENT is said only with measured power; sites off the panel version are NOT_ASSAYED; a plasma that failed quality,
    or that can't be computed, is NOT_EVALUABLE with its numbers kept. New variants are annotated.
    """
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml
    from palbo_assets.study.reference_lists import hold_lists_to_build

    hold_lists_to_build(step, ("hotspot_sites", "hotspots"))
    settings: Settings = step.settings
    rows: list[dict[str, Any]] = []
    for qc in ctdna_qc.to_dict("records"):
        specimen = str(qc["specimen_id"])
        molecules = ctdna_molecules[ctdna_molecules["specimen_id"] == specimen]
        calls, panel_version, background = _calls(step, molecules, ctdna_background, failed=qc["verdict"] == Qc.FAIL)
        effects = _effects(step, calls)
        panel = panel_of_version(step, panel_version) if panel_version else None
        concentration = (wet_lab_row(ctdna_wet_lab, specimen) or {}).get("cfdna_ng_per_ml")
        for call in calls:
            present = call.state is CallState.PRESENT
            effect = effects.get((call.chrom, call.pos, call.ref, call.alt))
            gene = (effect.gene if effect else None) or call.gene or None
            rows.append(
                {
                    **sample_keys(step, specimen),
                    **asdict(call),
                    "state": str(call.state),
                    "gene": gene,
                    "hgvsp_short": (effect.hgvsp_short if effect else call.hgvsp_short) or None,
                    "consequence": effect.consequence if effect else None,
                    "lof": effect.lof if effect else call.lof,
                    "chip_gene": gene in settings.chip_genes,
                    "hge_per_ml": haploid_equivalents_per_ml(call.vaf, concentration) if present else None,
                    "excluded_vaf": settings.excluded_vaf,
                    "panel_version": panel_version,
                    "chosen_from_cohort": panel.chosen_from_cohort(call.chrom, call.pos) if panel else None,
                    **stated_background(background),
                }
            )
    frame = frame_from_rows(CTDNA_CALLS, rows)
    step.report(**{state.lower(): int((frame["state"] == state).sum()) for state in CallState})
    return frame


@product(
    CTDNA_BURDEN,
    SAMPLE,
    upstream=(CTDNA_QC, CTDNA_CALLS),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def ctdna_burden(step: Step, ctdna_qc: pd.DataFrame, ctdna_calls: pd.DataFrame) -> pd.DataFrame:
    """Tumour fraction (2 x the largest somatic VAF) and mutant genome equivalents per plasma; nothing found isn't 0."""
    from palbo_assets.ctdna.burden import summarise

    rows = []
    for qc in ctdna_qc.to_dict("records"):
        calls = ctdna_calls[ctdna_calls["specimen_id"] == qc["specimen_id"]]
        verdict = qc["verdict"] if isinstance(qc["verdict"], str) else None
        keys = {name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}
        rows.append({**keys, **summarise(calls, verdict)})
    step.report(plasmas=len(rows), with_tumour_dna=sum(row["status"] == OBSERVED for row in rows))
    return frame_from_rows(CTDNA_BURDEN, rows)


def _calls(
    step: Step, molecules: pd.DataFrame, donors: pd.DataFrame, *, failed: bool
) -> tuple[list[Call], str | None, Background | None]:
    """The plasma's calls, its panel version, and its background (None when nothing was computed)."""
    import pandas as pd

    from palbo_assets.ctdna.calling import (
        NO_GENOME,
        TRACKED_COLUMNS,
        UNKNOWN_PANEL,
        blank_calls,
        call_variants,
        read_tracked_sites,
    )
    from palbo_assets.ctdna.molecule_table import plasma_of

    listed = step.references.get("hotspot_sites")
    tracked = pd.DataFrame(columns=list(TRACKED_COLUMNS)) if listed is None else read_tracked_sites(listed)
    plasma = plasma_of(molecules)
    panel = panel_of_version(step, plasma.panel_version) if plasma else None
    if plasma is None or panel is None or step.references.get("genome_fasta") is None:
        reason = NO_GENOME if plasma else UNKNOWN_PANEL
        return blank_calls(tracked, CallState.NOT_EVALUABLE, reason), plasma.panel_version if plasma else None, None
    counts = plasma.counts
    background = background_of(
        step, counts, panel, frozenset(zip(tracked["chrom"], tracked["pos"], strict=True)), donors
    )
    calls = call_variants(counts, panel, background, tracked, step.settings, evaluable=not failed)
    return calls, panel.version, background


def _effects(step: Step, calls: Sequence[Call]) -> dict[Any, Consequence]:
    """Consequences of the new alleles by (chrom, pos, ref, alt); none without genome and gene models."""
    from palbo_assets.genomics.alleles import Variant
    from palbo_assets.genomics.consequence import GeneModels, consequences

    fasta, gff3 = step.references.get("genome_fasta"), step.references.get("genes_gff3")
    new = [Variant(call.chrom, call.pos, call.ref, call.alt) for call in calls if not call.tracked]
    if fasta is None or gff3 is None or not new:
        return {}
    models = GeneModels(fasta, gff3, step.references.get("transcripts"), step.references.get("hotspots"))
    return {tuple(variant): effect for variant, effect in consequences(new, models, step.workdir).items()}
