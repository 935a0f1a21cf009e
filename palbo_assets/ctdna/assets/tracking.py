"""What follows from all samples of a patient: genotypes everywhere, whence alleles are, residual disease."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.patient_genotypes import IDENTITY
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import (
    GROUP,
    READS,
    background_of,
    panel_of_version,
    stated_background,
    wet_lab_row,
)
from palbo_assets.ctdna.tables import (
    CTDNA_BACKGROUND,
    CTDNA_CALLS,
    CTDNA_FITNESS,
    CTDNA_MOLECULES,
    CTDNA_ORIGINS,
    CTDNA_QC,
    CTDNA_RESIDUAL_DISEASE,
    CTDNA_WET_LAB,
    PATIENT_GENOTYPES,
)
from palbo_assets.genomics.plasma_fitness import (
    alleles_of,
    explained_by_others,
    tissue_variants,
    with_fitness,
    without_alleles_of_others,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import PATIENT
from palbo_assets.study.vocabulary import CallState, Modality, Qc
from palbo_assets.wes.tables import IDENTITY_FAILURES, READ_QC, SAMPLE_IDENTITY, SOMATIC_CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


@product(
    PATIENT_GENOTYPES,
    PATIENT,
    reads=("wes", *READS),
    roles=("tumour_bam", "normal_bam", "consensus_bam", "raw_umi_bam", "panel_bed"),
    upstream=(
        SOMATIC_CALLS,
        READ_QC,
        SAMPLE_IDENTITY,
        IDENTITY_FAILURES,
        CTDNA_MOLECULES,
        CTDNA_QC,
        CTDNA_CALLS,
        CTDNA_FITNESS,
    ),
    references=("genome_fasta",),
    settings=Settings,
    code_version="5",
    group=GROUP,
    kinds={"bam", "numba", "sql"},
)
def patient_genotypes(
    step: Step,
    somatic_calls: pd.DataFrame,
    read_qc: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
    ctdna_molecules: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    ctdna_calls: pd.DataFrame,
    ctdna_fitness: pd.DataFrame,
) -> pd.DataFrame:
    """The union of the patient's variants in all samples: tumours and blood by fragments, plasmas by molecules.

    Acquired, lost and absent rest on it. A sample that isn't the patient's adds no variant and gets no state, nor does
    an allele that another person's DNA or another library explains add one.
    """
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.patient_genotypes import (
        NORMAL,
        TUMOUR,
        count_tissue,
        plasma_rows,
        shed_fractions,
        tissue_rows,
        union_of_variants,
    )
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import reference

    settings: Settings = step.settings
    foreign = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    # A biopsy's RNA may carry the name of its DNA; where one tube was exchanged the other needn't be.
    foreign |= set(identity_failures.loc[identity_failures["source"] != "rna", "specimen_id"])
    failed = set(read_qc.loc[(read_qc["verdict"] == Qc.FAIL).fillna(False), "specimen_id"])
    ctdna_qc = with_fitness(ctdna_qc, ctdna_fitness)
    unfit = set(ctdna_fitness.loc[ctdna_fitness["verdict"] == Qc.FAIL, "specimen_id"])
    ctdna_calls = without_alleles_of_others(
        ctdna_calls, ctdna_fitness, alleles_of(tissue_variants(somatic_calls, foreign))
    )
    union = union_of_variants(somatic_calls, ctdna_calls, foreign | unfit)
    fasta = step.references.get("genome_fasta")
    if not union or fasta is None:
        step.report(variants=len(union), reason="" if fasta else "E_REFERENCE_MISSING")
        return frame_from_rows(PATIENT_GENOTYPES, [])
    rows: list[dict[str, Any]] = []
    remarks: set[str] = set()
    with reference(fasta) as fetch:
        normal = sorted(step.files("normal_bam"), key=lambda file: file.sha256)[:1]
        for file in [*step.files("tumour_bam"), *normal]:
            kind, specimen = TUMOUR if file.role == "tumour_bam" else NORMAL, file.specimen_id
            counted = None
            if specimen not in foreign:
                counted, remark = count_tissue(as_bam(file.path, step.workdir, fasta), union, fetch, settings)
                remarks.add(remark)
            keys = {"patient_id": step.patient_id, "timepoint": file.timepoint or "BL", "specimen_id": specimen}
            found = tissue_rows(kind, specimen, union, counted, settings, failed=specimen in failed)
            rows += [{**keys, **row} for row in found]
    shed = shed_fractions(ctdna_calls)
    for qc in ctdna_qc.to_dict("records"):
        specimen = str(qc["specimen_id"])
        plasma = plasma_of(ctdna_molecules[ctdna_molecules["specimen_id"] == specimen])
        panel = panel_of_version(step, plasma.panel_version) if plasma else None
        verdict = qc["verdict"] if isinstance(qc["verdict"], str) else None
        found = plasma_rows(
            specimen,
            union,
            plasma.counts if plasma else None,
            verdict,
            shed.get(specimen),
            settings,
            panel_version=plasma.panel_version if plasma else None,
            foreign=specimen in foreign,
            panel=panel,
        )
        rows += [{**{name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}, **row} for row in found]
    frame = frame_from_rows(PATIENT_GENOTYPES, rows)
    step.report(variants=len(union), reads_found=", ".join(sorted(remarks)))
    step.report(**{state.lower(): int((frame["state"] == state).sum()) for state in CallState})
    return frame


@product(
    CTDNA_ORIGINS,
    PATIENT,
    reads=(*READS, str(Modality.WES)),
    roles=("consensus_bam", "raw_umi_bam", "normal_bam"),
    upstream=(CTDNA_CALLS, SOMATIC_CALLS, SAMPLE_IDENTITY, IDENTITY_FAILURES, CTDNA_FITNESS),
    references=("genome_fasta",),
    settings=Settings,
    code_version="5",
    group=GROUP,
    kinds={"bam", "numba", "sql"},
)
def ctdna_origins(
    step: Step,
    ctdna_calls: pd.DataFrame,
    somatic_calls: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
    ctdna_fitness: pd.DataFrame,
) -> pd.DataFrame:
    """Whether alleles found in plasma are the tumour's, of blood cells, or germline: the patient's white cells tell.

    White cells and tumours that aren't the patient's are no witnesses; alleles of such a plasma stay UNRESOLVED, as do
    alleles that another person's DNA or another library of the run explains: the patient's white cells lack them too.
    """
    from palbo_assets.ctdna.white_cells import BLOCKED, ORIGINS, TUMOUR, UNRESOLVED, Origin, origin_of
    from palbo_assets.genomics.allele_counts import count_alleles
    from palbo_assets.genomics.alleles import Variant
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import reference

    settings: Settings = step.settings
    foreign = foreign_specimens(sample_identity, identity_failures)
    germline = ctdna_calls["filter"].fillna("").str.contains("germline_band", regex=False)
    found = ctdna_calls[(ctdna_calls["state"] == CallState.PRESENT) | germline]
    alleles = [Variant(*key) for key in found[["chrom", "pos", "ref", "alt"]].itertuples(index=False)]
    normal = sorted(
        (file for file in step.files("normal_bam") if file.specimen_id not in foreign), key=lambda file: file.sha256
    )
    fasta = step.references.get("genome_fasta")
    evidence: dict[Any, Any] = {}
    if alleles and normal and fasta is not None:
        with reference(fasta) as fetch:
            evidence = count_alleles(
                as_bam(normal[0].path, step.workdir, fasta), alleles, fetch,
                min_base_quality=settings.white_cell_min_base_quality,
                min_mapping_quality=settings.min_mapping_quality,
            )  # fmt: skip
    tissue = alleles_of(tissue_variants(somatic_calls, foreign))
    others = explained_by_others(found, ctdna_fitness, tissue)
    rows = []
    for allele, call, anothers in zip(alleles, found.to_dict("records"), others, strict=True):
        seen = evidence.get(allele)
        depth, alt = (seen.depth, seen.alt) if seen is not None else (None, None)
        if call["specimen_id"] in foreign:
            depth = alt = None
            origin = BLOCKED
        else:
            origin = origin_of(
                int(call["alt_molecules"]),
                int(call["unique_depth"]),
                alt,
                depth,
                settings,
                in_tissue=tuple(allele) in tissue,
                chip_gene=call["gene"] in settings.chip_genes,
            )
            if isinstance(anothers, str) and origin.origin in (TUMOUR, UNRESOLVED):
                origin = Origin(UNRESOLVED, anothers)
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
    upstream=(
        CTDNA_MOLECULES,
        CTDNA_QC,
        CTDNA_WET_LAB,
        CTDNA_BACKGROUND,
        CTDNA_ORIGINS,
        SOMATIC_CALLS,
        SAMPLE_IDENTITY,
        IDENTITY_FAILURES,
        CTDNA_FITNESS,
    ),
    references=("genome_fasta", "ctdna_background"),
    settings=Settings,
    code_version="5",
    group=GROUP,
    kinds={"bam", "scipy", "sql"},
)
def ctdna_residual_disease(
    step: Step,
    ctdna_molecules: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    ctdna_wet_lab: pd.DataFrame,
    ctdna_background: pd.DataFrame,
    ctdna_origins: pd.DataFrame,
    somatic_calls: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
    ctdna_fitness: pd.DataFrame,
) -> pd.DataFrame:
    """One test a plasma over all variants of the patient's own tissue, with tumour fraction, interval and LoD.

    A tumour that isn't the patient's gives no variant, and of such a plasma nothing is said, nor of one that holds so
    much of another person's DNA that it isn't fit.
    """
    from palbo_assets.ctdna.residual_disease import tissue_shares

    rows = []
    foreign = foreign_specimens(sample_identity, identity_failures)
    unfit = dict(zip(ctdna_fitness["specimen_id"], ctdna_fitness["verdict"] == Qc.FAIL, strict=True))
    tissue = tissue_variants(somatic_calls, foreign)
    anothers = tissue.empty and not tissue_variants(somatic_calls, ()).empty
    blood = ctdna_origins[ctdna_origins["origin"].isin(["CHIP", "GERMLINE"])]
    of_blood = alleles_of(blood)
    alleles = [key for key in map(tuple, tissue[["chrom", "pos", "ref", "alt"]].to_numpy()) if key not in of_blood]
    shares = tissue_shares(somatic_calls[~somatic_calls["specimen_id"].isin(list(foreign))])
    for qc in ctdna_qc.to_dict("records"):
        keys = {name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}
        molecules = ctdna_molecules[ctdna_molecules["specimen_id"] == qc["specimen_id"]]
        failed = isinstance(qc["verdict"], str) and qc["verdict"] == Qc.FAIL
        concentration = (wet_lab_row(ctdna_wet_lab, str(qc["specimen_id"])) or {}).get("cfdna_ng_per_ml")
        found = _residual(
            step, molecules, alleles, shares, ctdna_background,
            blocked=(
                IDENTITY if anothers or qc["specimen_id"] in foreign
                else "sample_qc" if failed else "sample_unfit" if unfit.get(qc["specimen_id"], False) else ""
            ),
            cfdna_ng_per_ml=concentration,
        )  # fmt: skip
        rows.append({**keys, "n_tracked": len(alleles), **found})
    frame = frame_from_rows(CTDNA_RESIDUAL_DISEASE, rows)
    step.report(tracked=len(alleles), **{state.lower(): int((frame["state"] == state).sum()) for state in CallState})
    return frame


def _residual(
    step: Step,
    molecules: pd.DataFrame,
    alleles: Sequence[tuple[str, int, str, str]],
    shares: Mapping[tuple[str, int, str, str], float],
    donors: pd.DataFrame,
    *,
    blocked: str,
    cfdna_ng_per_ml: float | None,
) -> dict[str, Any]:
    """One plasma's joint test, or its state with the reason why there is none."""
    from palbo_assets.ctdna.burden import haploid_equivalents_per_ml
    from palbo_assets.ctdna.calling import context_at
    from palbo_assets.ctdna.molecule_table import plasma_of
    from palbo_assets.ctdna.residual_disease import Site, joint_test

    plasma, fasta = plasma_of(molecules), step.references.get("genome_fasta")
    panel = panel_of_version(step, plasma.panel_version) if plasma else None
    row: dict[str, Any] = {"panel_version": panel.version if panel else None, "reason": ""}
    reason = (
        blocked if blocked == IDENTITY else "unknown_panel" if panel is None else "no_genome" if fasta is None
        else "no_tissue_variants" if not alleles else blocked
    )  # fmt: skip
    if reason or panel is None or plasma is None:
        return {**row, "state": str(CallState.NOT_EVALUABLE), "reason": reason}
    covered = [allele for allele in alleles if panel.covers(allele[0], allele[1])]
    if not covered:
        return {**row, "n_sites": 0, "state": str(CallState.NOT_ASSAYED), "reason": "off_panel"}
    counts = plasma.counts
    background = background_of(step, counts, panel, frozenset(allele[:2] for allele in covered), donors)
    sites = []
    for allele in covered:
        evidence = counts.evidence(*allele) if min(len(allele[2]), len(allele[3])) == 1 else None
        if evidence is not None:
            alpha, beta = background.at(*allele, context_at(counts, *allele))
            sites.append(Site(evidence.alt, evidence.depth, alpha, beta, shares.get(allele, 0.5)))
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
        **stated_background(background),
    }


def foreign_specimens(sample_identity: pd.DataFrame, identity_failures: pd.DataFrame) -> set[str]:
    """Specimens that aren't their patient's, by comparison with the own normal or with all other samples."""
    unlike = sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"]
    return {*unlike, *identity_failures["specimen_id"]}
