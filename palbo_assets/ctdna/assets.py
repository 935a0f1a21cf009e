"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import (
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_MOLECULES,
    CTDNA_ORIGINS,
    CTDNA_PANELS,
    CTDNA_QC,
    CTDNA_RESIDUAL_DISEASE,
    CTDNA_WET_LAB,
    PATIENT_GENOTYPES,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Modality, Qc
from palbo_assets.wes.tables import SAMPLE_IDENTITY, SOMATIC_CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from palbo_assets.ctdna.background import Background
    from palbo_assets.ctdna.calling import Call
    from palbo_assets.ctdna.molecules import MoleculeCounts
    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.genomics.consequence import Consequence
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
    references=("genome_fasta", "ctdna_background", "hotspot_sites", "genes_gff3", "transcripts", "hotspots"),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def ctdna_calls(
    step: Step, ctdna_molecules: pd.DataFrame, ctdna_qc: pd.DataFrame, ctdna_wet_lab: pd.DataFrame
) -> pd.DataFrame:
    """State of every tracked site, and new variants, per plasma: exact tail p-values against the background, and LoD.

    ABSENT is said only with measured power; sites off the panel version are NOT_ASSAYED; a plasma that failed quality,
    or that can't be computed, is NOT_EVALUABLE with its numbers kept. New variants are annotated.
    """
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml

    settings: Settings = step.settings
    rows: list[dict[str, Any]] = []
    for qc in ctdna_qc.to_dict("records"):
        specimen = str(qc["specimen_id"])
        molecules = ctdna_molecules[ctdna_molecules["specimen_id"] == specimen]
        calls, panel_version, background = _calls(step, molecules, failed=qc["verdict"] == Qc.FAIL)
        effects = _effects(step, calls)
        concentration = (_wet_lab_row(ctdna_wet_lab, specimen) or {}).get("cfdna_ng_per_ml")
        for call in calls:
            present = call.state is CallState.PRESENT
            effect = effects.get((call.chrom, call.pos, call.ref, call.alt))
            gene = (effect.gene if effect else None) or call.gene or None
            rows.append(
                {
                    **_keys(step, specimen),
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


@product(
    CTDNA_ORIGINS,
    PATIENT,
    reads=(*READS, str(Modality.WES)),
    roles=("consensus_bam", "raw_umi_bam", "normal_bam"),
    upstream=(CTDNA_CALLS, SOMATIC_CALLS),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "numba", "sql"},
)
def ctdna_origins(step: Step, ctdna_calls: pd.DataFrame, somatic_calls: pd.DataFrame) -> pd.DataFrame:
    """Whether alleles found in plasma are the tumour's, of blood cells, or germline: the patient's white cells tell."""
    from palbo_assets.ctdna.white_cells import ORIGINS, origin_of
    from palbo_assets.genomics.allele_counts import count_alleles
    from palbo_assets.genomics.alleles import Variant
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import reference

    settings: Settings = step.settings
    germline = ctdna_calls["filter"].fillna("").str.contains("germline_band", regex=False)
    found = ctdna_calls[(ctdna_calls["state"] == CallState.PRESENT) | germline]
    alleles = [Variant(*key) for key in found[["chrom", "pos", "ref", "alt"]].itertuples(index=False)]
    normal = sorted(step.files("normal_bam"), key=lambda file: file.sha256)
    fasta = step.references.get("genome_fasta")
    evidence: dict[Any, Any] = {}
    if alleles and normal and fasta is not None:
        with reference(fasta) as fetch:
            evidence = count_alleles(
                as_bam(normal[0].path, step.workdir, fasta), alleles, fetch,
                min_base_quality=settings.white_cell_min_base_quality,
                min_mapping_quality=settings.min_mapping_quality,
            )  # fmt: skip
    tissue = {tuple(key) for key in _tissue_variants(somatic_calls)[["chrom", "pos", "ref", "alt"]].to_numpy()}
    rows = []
    for allele, call in zip(alleles, found.to_dict("records"), strict=True):
        seen = evidence.get(allele)
        depth, alt = (seen.depth, seen.alt) if seen is not None else (None, None)
        origin = origin_of(
            int(call["alt_molecules"]),
            int(call["unique_depth"]),
            alt,
            depth,
            settings,
            in_tissue=tuple(allele) in tissue,
        )
        rows.append(
            {
                **{name: call[name] for name in ("patient_id", "timepoint", "specimen_id", "gene", "hgvsp_short")},
                **{name: call[name] for name in ("state", "vaf")},
                **allele._asdict(),
                **origin._asdict(),
                "white_depth": depth,
                "white_alt": alt,
                "white_vaf": alt / depth if depth else None,
            }
        )
    frame = frame_from_rows(CTDNA_ORIGINS, rows)
    step.report(**{origin.lower(): int((frame["origin"] == origin).sum()) for origin in ORIGINS})
    return frame


@product(
    CTDNA_RESIDUAL_DISEASE,
    PATIENT,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "panel_bed"),
    upstream=(CTDNA_MOLECULES, CTDNA_QC, CTDNA_WET_LAB, CTDNA_ORIGINS, SOMATIC_CALLS),
    references=("genome_fasta", "ctdna_background"),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "scipy", "sql"},
)
def ctdna_residual_disease(
    step: Step,
    ctdna_molecules: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    ctdna_wet_lab: pd.DataFrame,
    ctdna_origins: pd.DataFrame,
    somatic_calls: pd.DataFrame,
) -> pd.DataFrame:
    """One test a plasma over all variants of the patient's own tissue, with tumour fraction, interval and LoD."""
    rows = []
    tissue = _tissue_variants(somatic_calls)
    blood = ctdna_origins[ctdna_origins["origin"].isin(["CHIP", "GERMLINE"])]
    of_blood = {tuple(key) for key in blood[["chrom", "pos", "ref", "alt"]].to_numpy()}
    alleles = [key for key in map(tuple, tissue[["chrom", "pos", "ref", "alt"]].to_numpy()) if key not in of_blood]
    for qc in ctdna_qc.to_dict("records"):
        keys = {name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}
        molecules = ctdna_molecules[ctdna_molecules["specimen_id"] == qc["specimen_id"]]
        failed = isinstance(qc["verdict"], str) and qc["verdict"] == Qc.FAIL
        concentration = (_wet_lab_row(ctdna_wet_lab, str(qc["specimen_id"])) or {}).get("cfdna_ng_per_ml")
        found = _residual(step, molecules, alleles, failed=failed, cfdna_ng_per_ml=concentration)
        rows.append({**keys, "n_tracked": len(alleles), **found})
    frame = frame_from_rows(CTDNA_RESIDUAL_DISEASE, rows)
    step.report(tracked=len(alleles), **{state.lower(): int((frame["state"] == state).sum()) for state in CallState})
    return frame


def _residual(
    step: Step,
    molecules: pd.DataFrame,
    alleles: Sequence[tuple[str, int, str, str]],
    *,
    failed: bool,
    cfdna_ng_per_ml: float | None,
) -> dict[str, Any]:
    """One plasma's joint test, or its state with the reason why there is none."""
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml
    from palbo_assets.ctdna.calling import triplet_at
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.residual_disease import Site, joint_test

    plasma, fasta = plasma_of(molecules), step.references.get("genome_fasta")
    panel = _panel_of_version(step, plasma.panel_version) if plasma else None
    row: dict[str, Any] = {"panel_version": panel.version if panel else None, "reason": ""}
    reason = (
        "unknown_panel" if panel is None else "no_genome" if fasta is None else "no_tissue_variants" if not alleles
        else "sample_qc" if failed else ""
    )  # fmt: skip
    if reason or panel is None or plasma is None:
        return {**row, "state": str(CallState.NOT_EVALUABLE), "reason": reason}
    covered = [allele for allele in alleles if panel.covers(allele[0], allele[1])]
    if not covered:
        return {**row, "n_sites": 0, "state": str(CallState.NOT_ASSAYED), "reason": "off_panel"}
    counts = plasma.counts
    background = _background(step, counts, panel, frozenset(allele[:2] for allele in covered))
    sites = []
    for allele in covered:
        evidence = counts.evidence(*allele) if min(len(allele[2]), len(allele[3])) == 1 else None
        if evidence is not None:
            alpha, beta = background.at(*allele, triplet_at(counts, allele[0], allele[1]))
            sites.append(Site(evidence.alt, evidence.depth, alpha, beta))
    found = joint_test(sites, step.settings)
    half = None if found.tumour_fraction is None else found.tumour_fraction / 2
    too_few = found.p_value is None
    low_power = found.state is CallState.NOT_EVALUABLE
    return {
        **row,
        **asdict(found),
        "state": str(found.state),
        "hge_per_ml": haploid_equivalents_per_ml(half, cfdna_ng_per_ml),
        "reason": "too_few_sites" if too_few else "low_power" if low_power else "",
        "background": background.source,
    }


def _tissue_variants(somatic_calls: pd.DataFrame) -> pd.DataFrame:
    """Variants that were called in the patient's own tumours, each once."""
    called = somatic_calls[(somatic_calls["filter"] == "PASS") & ~somatic_calls["forced"].fillna(False).astype(bool)]
    return called.drop_duplicates(["chrom", "pos", "ref", "alt"]).sort_values(["chrom", "pos", "ref", "alt"])


def _calls(step: Step, molecules: pd.DataFrame, *, failed: bool) -> tuple[list[Call], str | None, str | None]:
    """The plasma's calls, its panel version, and where its background is from (None when nothing was computed)."""
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
    panel = _panel_of_version(step, plasma.panel_version) if plasma else None
    if plasma is None or panel is None or step.references.get("genome_fasta") is None:
        reason = NO_GENOME if plasma else UNKNOWN_PANEL
        return blank_calls(tracked, CallState.NOT_EVALUABLE, reason), plasma.panel_version if plasma else None, None
    counts = plasma.counts
    background = _background(step, counts, panel, frozenset(zip(tracked["chrom"], tracked["pos"], strict=True)))
    calls = call_variants(counts, panel, background, tracked, step.settings, evaluable=not failed)
    return calls, panel.version, background.source


def _background(step: Step, counts: MoleculeCounts, panel: Panel, left_out: frozenset[tuple[str, int]]) -> Background:
    """Healthy plasmas of the panel version where the bundle has them, else the sample's own bases."""
    from palbo_assets.ctdna.background import estimate_background, read_background

    table = step.references.get("ctdna_background")
    healthy = None if table is None else read_background(table, step.settings, panel.version)
    return healthy or estimate_background(counts, step.settings, left_out)


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


ASSETS = (
    ctdna_wet_lab,
    ctdna_panels,
    ctdna_molecules,
    ctdna_qc,
    ctdna_calls,
    ctdna_burden,
    patient_genotypes,
    ctdna_origins,
    ctdna_residual_disease,
)
