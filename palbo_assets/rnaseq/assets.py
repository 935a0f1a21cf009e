"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.tables import PATIENTS, SAMPLE_MANIFEST
from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import coerce, empty_frame, frame_from_rows
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.tables import (
    EXPRESSION,
    EXPRESSION_SIGNATURES,
    IMMUNE_DECONVOLUTION,
    INTRINSIC_SUBTYPE,
    PAIRED_CONTRASTS,
    PAIRED_EXPRESSION,
    PAIRED_SETS,
    RNA_IDENTITY,
    RNA_QC,
)
from palbo_assets.study.partitions import COHORT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, Modality, Qc, Timepoint
from palbo_assets.wes.tables import IDENTITY_FAILURES

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.rnaseq.samples import Sample
    from palbo_assets.rnaseq.symbols import SymbolNames

GROUP = "rnaseq"
READS = (str(Modality.RNASEQ),)
TABLES_OF_READS = ("quant", "gene_counts", "gene_tpm", "rna_metrics", "tx2gene")
LATER = (str(Timepoint.W06), str(Timepoint.W12), str(Timepoint.PD))


@product(
    EXPRESSION,
    SAMPLE,
    reads=READS,
    roles=TABLES_OF_READS,
    references=("tx2gene", "hgnc_aliases"),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"pandas", "parquet"},
)
def expression(step: Step) -> pd.DataFrame:
    """Reads, TPM and effective length of every gene, from salmon, kallisto, RSEM, featureCounts, STAR or HTSeq.

    Transcripts are summed to genes as tximport does. A specimen whose transcripts can't be summed (no transcript map,
    or another annotation's) has no rows here and its reason in rna_qc.
    """
    import pandas as pd

    frames = []
    for specimen, sample in _samples(step):
        if sample.summary is not None:
            genes = sample.summary.genes
            frames.append(_labelled(step, specimen, genes))
    frame = coerce(EXPRESSION, pd.concat(frames)) if frames else empty_frame(EXPRESSION)
    step.report(specimens=len(frames), genes=int(frame["gene_id"].nunique()), reads=float(frame["count"].sum()))
    return frame


@product(
    RNA_QC,
    SAMPLE,
    reads=READS,
    roles=TABLES_OF_READS,
    upstream=(EXPRESSION,),
    references=("tx2gene", "hgnc_aliases"),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def rna_qc(step: Step, expression: pd.DataFrame) -> pd.DataFrame:
    """Assigned reads, detected genes, mitochondrial and haemoglobin share, sex genes, and the verdict with reasons."""
    from palbo_assets.rnaseq.quality import assess

    rows = []
    for specimen, sample in _samples(step):
        row: dict[str, Any] = {**_keys(step, specimen), "tool": sample.tool}
        if sample.summary is None:
            row |= {"reasons": sample.reason, "not_judged": "", "status": str(Absence.NOT_EVALUABLE)}
        else:
            row |= assess(
                expression[expression["specimen_id"] == specimen],
                step.settings,
                counters=sample.counters,
                strandedness=sample.strandedness,
                tpm_reason=sample.summary.tpm_reason,
                unmapped_share=sample.summary.unmapped_share,
                metrics=sample.metrics,
                renaming=sample.summary.renaming,
                aliases_known=step.references.get("hgnc_aliases") is not None,
            ) | {"status": OBSERVED}
        rows.append(row)
    step.report(specimens=len(rows), failed=sum(row.get("verdict") == Qc.FAIL for row in rows))
    return frame_from_rows(RNA_QC, rows)


@product(
    EXPRESSION_SIGNATURES,
    SAMPLE,
    upstream=(EXPRESSION, RNA_QC),
    references=("gene_sets", "hgnc_aliases"),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def expression_signatures(step: Step, expression: pd.DataFrame, rna_qc: pd.DataFrame) -> pd.DataFrame:
    """Single-sample scores: ssGSEA over the bundle's gene sets, literature signatures, and key genes.

    No other sample enters a score. A specimen that failed quality has QC_FAIL instead of scores.
    """
    from palbo_assets.rnaseq.gene_sets import read_gmt
    from palbo_assets.rnaseq.signature_scores import score_sample

    gmt = step.references.get("gene_sets")
    gene_sets = None if gmt is None else read_gmt(gmt, _names(step))
    rows: list[dict[str, Any]] = []
    for specimen, failure, tpm in _judged(expression, rna_qc):
        scored = score_sample(
            tpm,
            gene_sets,
            expected_sets=step.settings.expected_gene_sets,
            min_coverage=step.settings.min_gene_coverage,
            alpha=step.settings.ssgsea_alpha,
        )
        if failure:
            scored = [{**row, "score": None, **failure} for row in scored]
        rows += [{**_keys(step, specimen), **row} for row in scored]
    step.report(signatures=len(rows), evaluable=sum(row["status"] == OBSERVED for row in rows))
    return frame_from_rows(EXPRESSION_SIGNATURES, rows)


@product(
    INTRINSIC_SUBTYPE,
    SAMPLE,
    upstream=(EXPRESSION, RNA_QC),
    references=("pam50_centroids", "pam50_reference", "hgnc_aliases"),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def intrinsic_subtype(step: Step, expression: pd.DataFrame, rna_qc: pd.DataFrame) -> pd.DataFrame:
    """PAM50 subtype: Spearman correlation with five centroids after centring on frozen reference medians.

    Without the centroids or the frozen medians there is no call: the study's own samples are never the reference.
    """
    centroids, medians = (step.references.get(name) for name in ("pam50_centroids", "pam50_reference"))
    rows = []
    for specimen, failure, tpm in _judged(expression, rna_qc):
        if centroids is None or medians is None:
            missing = "pam50_centroids" if centroids is None else "pam50_reference"
            row = _not_evaluable(f"REFERENCE_MISSING: {missing}")
        elif failure:
            row = failure
        else:
            row = _subtype_row(step, tpm, centroids, medians)
        rows.append({**_keys(step, specimen), **row})
    step.report(specimens=len(rows), confident=sum(bool(row.get("confident")) for row in rows))
    return frame_from_rows(INTRINSIC_SUBTYPE, rows)


def _subtype_row(step: Step, tpm: pd.Series, centroids: Path, medians: Path) -> dict[str, Any]:
    import numpy as np

    from palbo_assets.rnaseq.intrinsic_subtype import call_subtype, read_centroids, read_medians

    label = {"reference": " + ".join(_label(step, name) for name in ("pam50_centroids", "pam50_reference"))}
    try:
        call = call_subtype(
            np.log2(tpm + 1),
            read_centroids(centroids, _names(step)),
            read_medians(medians, _names(step)),
            confident_margin=step.settings.confident_margin,
            min_coverage=step.settings.min_gene_coverage,
        )
    except NotEvaluableError as error:
        return label | _not_evaluable(f"{error.code}: {error.message}")
    return label | {
        "subtype": call.subtype,
        "margin": call.margin,
        "confident": call.confident,
        **{f"rho_{name.lower()}": rho for name, rho in call.correlations.items()},
        "genes_used": call.n_genes,
        "status": OBSERVED,
        "reason": call.reason,
    }


@product(
    IMMUNE_DECONVOLUTION,
    SAMPLE,
    upstream=(EXPRESSION, RNA_QC),
    references=("immune_signature", "immune_mrna_scaling", "immune_markers", "hgnc_aliases"),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def immune_deconvolution(step: Step, expression: pd.DataFrame, rna_qc: pd.DataFrame) -> pd.DataFrame:
    """Cell fractions by constrained least squares (quanTIseq) and marker scores (MCP-counter).

    Each needs its reference; a specimen that failed quality has QC_FAIL. A lymph node is full of lymphocytes whatever
    the tumour does: compare biopsies of one site.
    """
    from palbo_assets.rnaseq import immune_rows

    names = _names(step)
    signature, scaling, markers = (
        step.references.get(name) for name in ("immune_signature", "immune_mrna_scaling", "immune_markers")
    )
    references = immune_rows.References.read(signature, scaling, markers, names)
    rows: list[dict[str, Any]] = []
    for specimen, failure, tpm in _judged(expression, rna_qc):
        genes = expression[expression["specimen_id"] == specimen]
        found = immune_rows.rows_of(tpm, genes, references, step.settings)
        if failure:
            found = [{**row, "value": None, **failure} for row in found]
        rows += [{**_keys(step, specimen), **row} for row in found]
    step.report(populations=len(rows), evaluable=sum(row["status"] == OBSERVED for row in rows))
    return frame_from_rows(IMMUNE_DECONVOLUTION, rows)


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
    gene_sets = {} if gmt is None else read_gmt(gmt, _names(step))
    rows: list[dict[str, Any]] = []
    for timepoint in LATER:
        genes = paired_expression[paired_expression["contrast"] == contrast_name(timepoint)]
        if len(genes):
            pairs, _ = pairs_of(rna_qc, rna_identity, timepoint)
            found = set_rows(genes, gene_sets, expression_signatures, pairs, step.settings.min_gene_coverage)
            rows += [{"contrast": contrast_name(timepoint), **row} for row in found]
    step.report(sets=len(rows), significant=sum((row["q_value"] or 1) < step.settings.significant_q for row in rows))
    return frame_from_rows(PAIRED_SETS, rows)


def _label(step: Step, name: str) -> str:
    entry = step.references.entry(name)
    return f"{name} {entry.version} sha256:{entry.sha256[:12]}"


def _not_evaluable(reason: str) -> dict[str, str]:
    return {"status": str(Absence.NOT_EVALUABLE), "reason": reason}


def _samples(step: Step) -> Iterator[tuple[str, Sample]]:
    """The partition's specimens, each read from its tables."""
    from palbo_assets.rnaseq.samples import read_sample
    from palbo_assets.rnaseq.transcript_map import read_tx2gene

    paths = [file.path for file in step.files("tx2gene")]
    bundled = step.references.get("tx2gene")
    maps = [read_tx2gene(path) for path in [*paths, *([bundled] if bundled else [])]]
    tables, reports = step.files("quant", "gene_counts", "gene_tpm"), step.files("rna_metrics")
    names = _names(step)
    for specimen in sorted({file.specimen_id for file in tables}):
        own = [(file.path, file.sample_name) for file in tables if file.specimen_id == specimen]
        said = [file.path for file in reports if file.specimen_id == specimen]
        yield specimen, read_sample(own, maps, step.settings, names, said)


def _names(step: Step) -> SymbolNames:
    """HGNC's names of the reference bundle; without them only the room's own renames."""
    from palbo_assets.rnaseq.symbols import BUILT_IN, REFERENCE, read_hgnc

    path = step.references.get(REFERENCE)
    return BUILT_IN if path is None else read_hgnc(path)


def _judged(expression: pd.DataFrame, rna_qc: pd.DataFrame) -> Iterator[tuple[str, dict[str, str], pd.Series]]:
    """Specimen, why it can't be used (empty when it can), and its TPM by symbol."""
    from palbo_assets.rnaseq.gene_summary import tpm_by_symbol

    for qc in rna_qc.sort_values("specimen_id").to_dict("records"):
        genes = expression[expression["specimen_id"] == qc["specimen_id"]]
        failure: dict[str, str] = {}
        if qc["status"] != OBSERVED:
            failure = _not_evaluable(qc["reasons"])
        elif qc["verdict"] == Qc.FAIL:
            failure = {"status": str(Absence.QC_FAIL), "reason": qc["reasons"]}
        elif genes["tpm"].isna().all():
            failure = _not_evaluable("NO_TPM")
        yield qc["specimen_id"], failure, tpm_by_symbol(genes)


def _keys(step: Step, specimen: str) -> dict[str, str]:
    return {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen}


def _labelled(step: Step, specimen: str, genes: pd.DataFrame) -> pd.DataFrame:
    return genes.assign(**_keys(step, specimen))


SAMPLE_ASSETS = (expression, rna_qc, expression_signatures, intrinsic_subtype, immune_deconvolution)
COHORT_ASSETS = (rna_identity, paired_contrasts, paired_expression, paired_sets)
