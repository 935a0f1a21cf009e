"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_BURDEN, CTDNA_CALLS, CTDNA_PANELS, CTDNA_QC, CTDNA_WET_LAB
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Modality, Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.ctdna.calling import Call
    from palbo_assets.ctdna.panel import Panel

GROUP = "ctdna"
READS = (str(Modality.CTDNA),)


@product(CTDNA_WET_LAB, BATCH, reads=READS, settings=Settings, code_version="1", group=GROUP, kinds={"csv", "sql"})
def ctdna_wet_lab(step: Step) -> pd.DataFrame:
    """Plasma volume, cfDNA concentration, library input and haemolysis of each plasma, as the wet lab states them."""
    from palbo_assets.ctdna.wet_lab import read_wet_lab

    rows = [row for file in step.files("wet_lab") for row in read_wet_lab(file.path)]
    step.report(plasmas=len(rows))
    return frame_from_rows(CTDNA_WET_LAB, rows)


@product(CTDNA_PANELS, COHORT, reads=READS, roles=("panel_bed",), code_version="1", group=GROUP, kinds={"bed", "sql"})
def ctdna_panels(step: Step) -> pd.DataFrame:
    """Regions of the panel versions in force: what an assay of that version can say something about."""
    from palbo_assets.ctdna.panel import read_panel

    rows: list[dict[str, Any]] = []
    for file in step.files("panel_bed"):
        panel = read_panel(file.path, file.panel_version)
        for number, target in enumerate(panel.targets, start=1):
            stated = {name: None if value == "" else value for name, value in asdict(target).items()}
            rows.append({"panel_version": panel.version, "bed_sha256": file.sha256, "region": number, **stated})
    step.report(panels=len(step.files("panel_bed")), regions=len(rows))
    return frame_from_rows(CTDNA_PANELS, rows)


@product(
    CTDNA_QC,
    SAMPLE,
    reads=READS,
    upstream=(CTDNA_WET_LAB,),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "sql"},
)
def ctdna_qc(step: Step, ctdna_wet_lab: pd.DataFrame) -> pd.DataFrame:
    """Unique depth, evenness, on-target share and family sizes of each plasma, and the verdict with its reasons."""
    from palbo_assets.ctdna.molecules import count_molecules
    from palbo_assets.ctdna.quality import assess, conversion, panel_depth

    rows: list[dict[str, Any]] = []
    for file in step.files("consensus_bam"):
        row: dict[str, Any] = {**_keys(step, file), "status": OBSERVED}
        panel = _panel_of(step, file)
        if panel is None:
            row |= {"status": str(Absence.NOT_EVALUABLE), "reasons": "unknown_panel"}
            rows.append(row)
            continue
        # Depth needs no reference bases, so quality is known even where the bundle lacks the genome.
        counts = count_molecules(file.path, panel, lambda chrom, start, end: "N" * (end - start), step.settings)
        lab = _wet_lab_row(ctdna_wet_lab, file)
        measured = panel_depth(counts, step.settings)
        measured["conversion"] = conversion(measured["unique_depth_median"] or 0.0, (lab or {}).get("input_ng"))
        verdict, reasons = assess(measured, lab, step.settings)
        row |= measured
        row |= {"panel_version": panel.version, "panel_bp": panel.size, "consensus_reads": counts.reads}
        row |= {"verdict": str(verdict), "reasons": reasons}
        rows.append(row)
    frame = frame_from_rows(CTDNA_QC, rows)
    step.report(plasmas=len(rows), passed=int((frame["verdict"] == Qc.PASS).sum()))
    return frame


@product(
    CTDNA_CALLS,
    SAMPLE,
    reads=READS,
    upstream=(CTDNA_QC, CTDNA_WET_LAB),
    references=("genome_fasta", "ctdna_background", "hotspot_sites"),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "scipy", "sql"},
)
def ctdna_calls(step: Step, ctdna_qc: pd.DataFrame, ctdna_wet_lab: pd.DataFrame) -> pd.DataFrame:
    """State of every tracked site, and new variants, per plasma: exact tail p-values against the background, and LoD.

    ABSENT is said only with measured power; sites off the panel version are NOT_ASSAYED; a plasma that failed quality,
    or that can't be computed, is NOT_EVALUABLE with its numbers kept. New variants name no consequence.
    """
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml

    settings: Settings = step.settings
    rows: list[dict[str, Any]] = []
    for file in step.files("consensus_bam"):
        calls, panel_version, background = _calls(step, file, ctdna_qc)
        concentration = (_wet_lab_row(ctdna_wet_lab, file) or {}).get("cfdna_ng_per_ml")
        for call in calls:
            present = call.state is CallState.PRESENT
            rows.append(
                {
                    **_keys(step, file),
                    **asdict(call),
                    "state": str(call.state),
                    "gene": call.gene or None,
                    "hgvsp_short": call.hgvsp_short or None,
                    "consequence": None,
                    "chip_gene": call.gene in settings.chip_genes,
                    "hge_per_ml": haploid_equivalents_per_ml(call.vaf, concentration) if present else None,
                    "excluded_vaf": settings.excluded_vaf,
                    "panel_version": panel_version,
                    "background": background,
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


def _calls(step: Step, file: Any, ctdna_qc: pd.DataFrame) -> tuple[list[Call], str | None, str | None]:
    """The plasma's calls, its panel version, and where its background is from (None when nothing was computed)."""
    import pandas as pd

    from palbo_assets.ctdna.background import estimate_background, read_background
    from palbo_assets.ctdna.calling import (
        NO_GENOME,
        TRACKED_COLUMNS,
        UNKNOWN_PANEL,
        blank_calls,
        call_variants,
        read_tracked_sites,
    )
    from palbo_assets.ctdna.molecules import count_molecules, fasta_reference

    listed = step.references.get("hotspot_sites")
    tracked = pd.DataFrame(columns=list(TRACKED_COLUMNS)) if listed is None else read_tracked_sites(listed)
    panel = _panel_of(step, file)
    fasta = step.references.get("genome_fasta")
    if panel is None or fasta is None:
        reason = UNKNOWN_PANEL if panel is None else NO_GENOME
        return blank_calls(tracked, CallState.NOT_EVALUABLE, reason), panel.version if panel else None, None
    counts = count_molecules(file.path, panel, fasta_reference(fasta), step.settings)
    table = step.references.get("ctdna_background")
    if table is not None:
        background = read_background(table, step.settings)
    else:
        sites = frozenset(zip(tracked["chrom"], tracked["pos"], strict=True))
        background = estimate_background(counts, step.settings, sites)
    verdicts = ctdna_qc.loc[ctdna_qc["specimen_id"] == file.specimen_id, "verdict"]
    failed = bool((verdicts == Qc.FAIL).fillna(False).any())
    calls = call_variants(counts, panel, background, tracked, step.settings, evaluable=not failed)
    return calls, panel.version, background.source


def _panel_of(step: Step, file: Any) -> Panel | None:
    """The panel that the library was captured with: the version its manifest row names, else the only one there is."""
    from palbo_assets.ctdna.panel import read_panel

    panels = step.files("panel_bed")
    named = [panel for panel in panels if panel.panel_version == file.panel_version]
    if not file.panel_version:
        named = panels if len(panels) == 1 else []
    return read_panel(named[-1].path, named[-1].panel_version) if named else None


def _wet_lab_row(wet_lab: pd.DataFrame, file: Any) -> dict[str, Any] | None:
    """The wet lab's row of the specimen, nulls left out; None where the lab sent none."""
    rows = wet_lab[wet_lab["specimen_id"] == file.specimen_id]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].dropna().items()}


def _keys(step: Step, file: Any) -> dict[str, str]:
    return {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": file.specimen_id}


ASSETS = (ctdna_wet_lab, ctdna_panels, ctdna_qc, ctdna_calls, ctdna_burden)
