"""The products of all biopsies together: whose each is, and what changes from baseline on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.tables import PATIENTS, SAMPLE_MANIFEST
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import coerce, empty_frame, frame_from_rows
from palbo_assets.rnaseq.assets.steps import GROUP, symbol_names
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.tables import (
    EXPRESSION,
    EXPRESSION_SIGNATURES,
    PAIRED_CONTRASTS,
    PAIRED_EXPRESSION,
    PAIRED_SETS,
    RNA_IDENTITY,
    RNA_QC,
)
from palbo_assets.study.partitions import COHORT
from palbo_assets.study.vocabulary import OBSERVED, Modality, Qc, Timepoint
from palbo_assets.wes.tables import IDENTITY_FAILURES

if TYPE_CHECKING:
    import pandas as pd


LATER = (str(Timepoint.W06), str(Timepoint.W12), str(Timepoint.PD))


@product(
    RNA_IDENTITY,
    COHORT,
    upstream=(EXPRESSION, RNA_QC, PATIENTS, SAMPLE_MANIFEST, IDENTITY_FAILURES),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def rna_identity(
    step: Step,
    expression: pd.DataFrame,
    rna_qc: pd.DataFrame,
    patients: pd.DataFrame,
    sample_manifest: pd.DataFrame,
    identity_failures: pd.DataFrame,
) -> pd.DataFrame:
    """Whose RNA it is by its alleles, sex genes against the recorded sex, liver genes against the recorded site of the
    biopsy, and each profile against the cohort's."""
    from palbo_assets.rnaseq.cohort_correlation import median_correlations
    from palbo_assets.rnaseq.sample_identity import judge

    correlations = median_correlations(expression, step.settings.expressed_tpm)

    sexes = dict(zip(patients["patient_id"], patients["sex"].fillna(""), strict=True))
    biopsies = sample_manifest[sample_manifest["modality"] == str(Modality.RNASEQ)]
    sites = {
        (row["patient_id"], row["specimen_id"]): row["anatomic_site"]
        for row in biopsies.dropna(subset=["anatomic_site"]).to_dict("records")
    }
    of_rna = identity_failures[identity_failures["source"] == "rna"]
    failed = set(zip(of_rna["patient_id"], of_rna["specimen_id"], strict=True))
    rows = []
    for qc in rna_qc.astype(object).where(rna_qc.notna(), None).to_dict("records"):
        site = sites.get((qc["patient_id"], qc["specimen_id"]), "")
        keys = {name: qc[name] for name in ("patient_id", "timepoint", "specimen_id")}
        alike = correlations.get(qc["specimen_id"])
        other = (qc["patient_id"], qc["specimen_id"]) in failed
        sex = sexes.get(qc["patient_id"], "")
        rows.append(keys | judge(qc, sex, site, alike, step.settings, another_persons=other))
    step.report(specimens=len(rows), failed=sum(row["verdict"] == Qc.FAIL for row in rows))
    return frame_from_rows(RNA_IDENTITY, rows)


@product(
    PAIRED_CONTRASTS,
    COHORT,
    upstream=(RNA_QC, RNA_IDENTITY),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def paired_contrasts(step: Step, rna_qc: pd.DataFrame, rna_identity: pd.DataFrame) -> pd.DataFrame:
    """How many patients have a usable sample at baseline and at a later timepoint, and whether they are enough."""
    from palbo_assets.rnaseq.paired_expression import contrast_rows

    rows = contrast_rows(rna_qc, rna_identity, LATER, step.settings.pairs_min)
    step.report(**{row["contrast"]: row["n_pairs"] for row in rows})
    return frame_from_rows(PAIRED_CONTRASTS, rows)


@product(
    PAIRED_EXPRESSION,
    COHORT,
    upstream=(EXPRESSION, RNA_QC, RNA_IDENTITY, PAIRED_CONTRASTS),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "parquet"},
)
def paired_expression(
    step: Step,
    expression: pd.DataFrame,
    rna_qc: pd.DataFrame,
    rna_identity: pd.DataFrame,
    paired_contrasts: pd.DataFrame,
) -> pd.DataFrame:
    """Differential expression of each contrast with enough pairs, patient by patient (DESeq2)."""
    import pandas as pd

    from palbo_assets.rnaseq.paired_expression import count_matrix, differential, pairs_of

    frames = []
    symbols = expression.drop_duplicates("gene_id").set_index("gene_id")["gene_symbol"]
    for contrast in paired_contrasts[paired_contrasts["status"] == OBSERVED].to_dict("records"):
        pairs, _ = pairs_of(rna_qc, rna_identity, contrast["timepoint"])
        counts = count_matrix(expression, [name for pair in pairs for name in (pair.before, pair.after)])
        found = differential(counts, pairs, step.settings.cpm_min).reset_index(names="gene_id")
        strong = found["log2_fold_change"].abs() >= step.settings.significant_log2fc
        frames.append(
            found.assign(
                contrast=contrast["contrast"],
                gene_symbol=found["gene_id"].map(symbols),
                n_pairs=len(pairs),
                significant=(found["q_value"] < step.settings.significant_q) & strong,
            )
        )
    frame = coerce(PAIRED_EXPRESSION, pd.concat(frames)) if frames else empty_frame(PAIRED_EXPRESSION)
    step.report(contrasts=len(frames), genes=len(frame), significant=int(frame["significant"].sum()))
    return frame


@product(
    PAIRED_SETS,
    COHORT,
    upstream=(PAIRED_EXPRESSION, EXPRESSION_SIGNATURES, RNA_QC, RNA_IDENTITY),
    references=("gene_sets", "hgnc_aliases"),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def paired_sets(
    step: Step,
    paired_expression: pd.DataFrame,
    expression_signatures: pd.DataFrame,
    rna_qc: pd.DataFrame,
    rna_identity: pd.DataFrame,
) -> pd.DataFrame:
    """Enrichment of gene sets among the changes of each contrast, by genes and by patients."""
    from palbo_assets.rnaseq.gene_sets import read_gmt
    from palbo_assets.rnaseq.paired_expression import contrast_name, pairs_of, set_rows

    gmt = step.references.get("gene_sets")
    gene_sets = {} if gmt is None else read_gmt(gmt, symbol_names(step))
    rows: list[dict[str, Any]] = []
    for timepoint in LATER:
        genes = paired_expression[paired_expression["contrast"] == contrast_name(timepoint)]
        if len(genes):
            pairs, _ = pairs_of(rna_qc, rna_identity, timepoint)
            found = set_rows(genes, gene_sets, expression_signatures, pairs, step.settings.min_gene_coverage)
            rows += [{"contrast": contrast_name(timepoint), **row} for row in found]
    step.report(sets=len(rows), significant=sum((row["q_value"] or 1) < step.settings.significant_q for row in rows))
    return frame_from_rows(PAIRED_SETS, rows)
