"""The products of one biopsy: its expression, quality, scores, subtype and immune content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import coerce, empty_frame, frame_from_rows
from palbo_assets.rnaseq.assets.steps import GROUP, symbol_names
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.tables import (
    EXPRESSION,
    EXPRESSION_SIGNATURES,
    IMMUNE_DECONVOLUTION,
    INTRINSIC_SUBTYPE,
    RNA_QC,
)
from palbo_assets.study.partitions import SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Absence, Modality, Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.rnaseq.samples import Sample

READS = (str(Modality.RNASEQ),)
TABLES_OF_READS = ("quant", "gene_counts", "gene_tpm", "rna_metrics", "tx2gene")


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
    gene_sets = None if gmt is None else read_gmt(gmt, symbol_names(step))
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
            read_centroids(centroids, symbol_names(step)),
            read_medians(medians, symbol_names(step)),
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

    names = symbol_names(step)
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
    names = symbol_names(step)
    for specimen in sorted({file.specimen_id for file in tables}):
        own = [(file.path, file.sample_name) for file in tables if file.specimen_id == specimen]
        said = [file.path for file in reports if file.specimen_id == specimen]
        yield specimen, read_sample(own, maps, step.settings, names, said)


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
