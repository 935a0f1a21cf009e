"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import (
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_MOLECULES,
    CTDNA_PANELS,
    CTDNA_QC,
    CTDNA_WET_LAB,
    PATIENT_GENOTYPES,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Modality, Qc
from palbo_assets.wes.tables import SAMPLE_IDENTITY, SOMATIC_CALLS

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.ctdna.calling import Call
    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.landing.files import LandedFile

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
    CTDNA_MOLECULES,
    SAMPLE,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "panel_bed"),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "numba", "parquet"},
)
def ctdna_molecules(step: Step) -> pd.DataFrame:
    """Molecules per allele and strand at every panel base: of a consensus BAM as it is, of raw UMI reads called here.

    Where the bundle lacks the genome the bases are N and no indel has a name; depth and quality are known all the same.
    """
    import pandas as pd

    from palbo_assets.ctdna.molecule_table import frame_of
    from palbo_assets.ctdna.molecules import count_molecules, fasta_reference
    from palbo_assets.ctdna.umi import find_umi, stated_source
    from palbo_assets.ctdna.umi_consensus import consensus_molecules
    from palbo_assets.platform.tables import coerce, empty_frame

    fasta = step.references.get("genome_fasta")
    bases = fasta_reference(fasta) if fasta else lambda chrom, start, end: "N" * (end - start)
    frames = []
    for file in _plasmas(step):
        panel = _panel_of(step, file)
        if panel is None:
            continue
        barcodes = None
        if file.role == "raw_umi_bam":
            source = stated_source(file.facts) or find_umi(file.path)
            counts, barcodes = consensus_molecules(file.path, source, panel, bases, step.settings)
        else:
            counts = count_molecules(file.path, panel, bases, step.settings)
        if fasta is None:
            counts = replace(counts, indels={})
        frames.append(frame_of(panel.version, counts, barcodes).assign(**_keys(step, file.specimen_id)))
    step.report(plasmas=len(frames), panel_bases=sum(map(len, frames)))
    if not frames:
        return empty_frame(CTDNA_MOLECULES)
    return coerce(CTDNA_MOLECULES, pd.concat(frames, ignore_index=True))


@product(
    CTDNA_QC,
    SAMPLE,
    reads=READS,
    upstream=(CTDNA_MOLECULES, CTDNA_WET_LAB),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"numpy", "sql"},
)
def ctdna_qc(step: Step, ctdna_molecules: pd.DataFrame, ctdna_wet_lab: pd.DataFrame) -> pd.DataFrame:
    """Unique depth, evenness, on-target share and family sizes of each plasma, and the verdict with its reasons."""
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.quality import assess, barcode_figures, conversion, panel_depth

    rows: list[dict[str, Any]] = []
    for file in _plasmas(step):
        row: dict[str, Any] = {**_keys(step, file.specimen_id), "status": OBSERVED, "delivered": file.role}
        plasma = plasma_of(ctdna_molecules[ctdna_molecules["specimen_id"] == file.specimen_id])
        if plasma is None:
            row |= {"status": str(Absence.NOT_EVALUABLE), "reasons": "unknown_panel"}
            rows.append(row)
            continue
        counts = plasma.counts
        lab = _wet_lab_row(ctdna_wet_lab, file.specimen_id)
        measured = panel_depth(counts, step.settings)
        measured["conversion"] = conversion(measured["unique_depth_median"] or 0.0, (lab or {}).get("input_ng"))
        verdict, reasons = assess(measured, lab, step.settings)
        row |= measured
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
    upstream=(CTDNA_MOLECULES, CTDNA_QC, CTDNA_WET_LAB),
    references=("genome_fasta", "ctdna_background", "hotspot_sites"),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def ctdna_calls(
    step: Step, ctdna_molecules: pd.DataFrame, ctdna_qc: pd.DataFrame, ctdna_wet_lab: pd.DataFrame
) -> pd.DataFrame:
    """State of every tracked site, and new variants, per plasma: exact tail p-values against the background, and LoD.

    ABSENT is said only with measured power; sites off the panel version are NOT_ASSAYED; a plasma that failed quality,
    or that can't be computed, is NOT_EVALUABLE with its numbers kept. New variants name no consequence.
    """
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml

    settings: Settings = step.settings
    rows: list[dict[str, Any]] = []
    for qc in ctdna_qc.to_dict("records"):
        specimen = str(qc["specimen_id"])
        molecules = ctdna_molecules[ctdna_molecules["specimen_id"] == specimen]
        calls, panel_version, background = _calls(step, molecules, failed=qc["verdict"] == Qc.FAIL)
        concentration = (_wet_lab_row(ctdna_wet_lab, specimen) or {}).get("cfdna_ng_per_ml")
        for call in calls:
            present = call.state is CallState.PRESENT
            rows.append(
                {
                    **_keys(step, specimen),
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


@product(
    PATIENT_GENOTYPES,
    PATIENT,
    reads=("wes", *READS),
    roles=("tumour_bam", "normal_bam"),
    upstream=(SOMATIC_CALLS, SAMPLE_IDENTITY, CTDNA_MOLECULES, CTDNA_QC, CTDNA_CALLS),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "numba", "sql"},
)
def patient_genotypes(
    step: Step,
    somatic_calls: pd.DataFrame,
    sample_identity: pd.DataFrame,
    ctdna_molecules: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    ctdna_calls: pd.DataFrame,
) -> pd.DataFrame:
    """The union of the patient's variants in all samples: tumours and blood by fragments, plasmas by molecules."""
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.molecules import fasta_reference
    from palbo_assets.ctdna.patient_genotypes import (
        IDENTITY,
        NORMAL,
        TUMOUR,
        plasma_rows,
        shed_fractions,
        tissue_rows,
        union_of_variants,
    )
    from palbo_assets.genomics.allele_counts import count_alleles

    settings: Settings = step.settings
    union = union_of_variants(somatic_calls, ctdna_calls)
    fasta = step.references.get("genome_fasta")
    if not union or fasta is None:
        step.report(variants=len(union), reason="" if fasta else "E_REFERENCE_MISSING")
        return frame_from_rows(PATIENT_GENOTYPES, [])
    bases = fasta_reference(fasta)
    swapped = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    rows: list[dict[str, Any]] = []
    for file in [*step.files("tumour_bam"), *step.files("normal_bam")[:1]]:
        kind = TUMOUR if file.role == "tumour_bam" else NORMAL
        refused = IDENTITY if file.specimen_id in swapped else "" if file.path.suffix == ".bam" else "NOT_A_BAM"
        counted = {} if refused else count_alleles(
            file.path, union, lambda chrom, start, end: bases(chrom, max(start, 0), end),
            min_base_quality=settings.tissue_base_quality, min_mapping_quality=settings.min_mapping_quality,
        )  # fmt: skip
        keys = {"patient_id": step.patient_id, "timepoint": file.timepoint or "BL", "specimen_id": file.specimen_id}
        found = tissue_rows(kind, file.specimen_id, union, counted, settings, refused)
        rows += [{**keys, **row} for row in found]
    shed = shed_fractions(ctdna_calls)
    for qc in ctdna_qc.to_dict("records"):
        specimen = str(qc["specimen_id"])
        plasma = plasma_of(ctdna_molecules[ctdna_molecules["specimen_id"] == specimen])
        verdict = qc["verdict"] if isinstance(qc["verdict"], str) else None
        counts = plasma.counts if plasma else None
        found = plasma_rows(specimen, union, counts, verdict, shed.get(specimen), settings)
        rows += [{**{name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}, **row} for row in found]
    frame = frame_from_rows(PATIENT_GENOTYPES, rows)
    step.report(variants=len(union), **{state.lower(): int((frame["state"] == state).sum()) for state in CallState})
    return frame


def _calls(step: Step, molecules: pd.DataFrame, *, failed: bool) -> tuple[list[Call], str | None, str | None]:
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
    from palbo_assets.ctdna.molecule_table import plasma_of

    listed = step.references.get("hotspot_sites")
    tracked = pd.DataFrame(columns=list(TRACKED_COLUMNS)) if listed is None else read_tracked_sites(listed)
    plasma = plasma_of(molecules)
    panel = _panel_of_version(step, plasma.panel_version) if plasma else None
    if plasma is None or panel is None or step.references.get("genome_fasta") is None:
        reason = NO_GENOME if plasma else UNKNOWN_PANEL
        return blank_calls(tracked, CallState.NOT_EVALUABLE, reason), plasma.panel_version if plasma else None, None
    counts = plasma.counts
    table = step.references.get("ctdna_background")
    if table is not None:
        background = read_background(table, step.settings)
    else:
        sites = frozenset(zip(tracked["chrom"], tracked["pos"], strict=True))
        background = estimate_background(counts, step.settings, sites)
    calls = call_variants(counts, panel, background, tracked, step.settings, evaluable=not failed)
    return calls, panel.version, background.source


def _plasmas(step: Step) -> list[LandedFile]:
    """One file per plasma: its consensus BAM, else its raw reads."""
    consensus = step.files("consensus_bam")
    called = {file.specimen_id for file in consensus}
    return [*consensus, *(file for file in step.files("raw_umi_bam") if file.specimen_id not in called)]


def _panel_of(step: Step, file: LandedFile) -> Panel | None:
    """The panel that the library was captured with: the version its manifest row names, else the only one there is."""
    panels = step.files("panel_bed")
    if not file.panel_version:
        return _panel_of_version(step, panels[0].panel_version) if len(panels) == 1 else None
    return _panel_of_version(step, file.panel_version)


def _panel_of_version(step: Step, version: str) -> Panel | None:
    from palbo_assets.ctdna.panel import read_panel

    named = [panel for panel in step.files("panel_bed") if panel.panel_version == version]
    return read_panel(named[-1].path, named[-1].panel_version) if named else None


def _wet_lab_row(wet_lab: pd.DataFrame, specimen_id: str) -> dict[str, Any] | None:
    """The wet lab's row of the specimen, nulls left out; None where the lab sent none."""
    rows = wet_lab[wet_lab["specimen_id"] == specimen_id]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].dropna().items()}


def _keys(step: Step, specimen_id: str) -> dict[str, str]:
    return {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen_id}


ASSETS = (ctdna_wet_lab, ctdna_panels, ctdna_molecules, ctdna_qc, ctdna_calls, ctdna_burden, patient_genotypes)
