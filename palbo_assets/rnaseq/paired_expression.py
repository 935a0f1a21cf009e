"""Genes and sets that change between two timepoints of the same patients.

Genes: DESeq2's negative binomial model (Love 2014, Genome Biology 15:550; pydeseq2) with design ``~ patient +
timepoint``, so that each patient is her own control; Wald test, Benjamini and Hochberg with independent filtering.
Sets: the competitive test CAMERA on the genes' Wald statistics with an inter-gene correlation of 0.01 (Wu and Smyth
2012, Nucleic Acids Res 40:e133), because genes of a set aren't independent, and beside it Wilcoxon's signed ranks on
the patients' single-sample scores, whose unit is the patient.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.study.vocabulary import OBSERVED, Absence, Qc, Timepoint

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BASELINE = str(Timepoint.BL)
INTER_GENE_CORRELATION = 0.01  # limma's preset for the ranked CAMERA


@dataclass(frozen=True)
class Pair:
    """One patient's two specimens of a contrast."""

    patient_id: str
    before: str
    after: str


def contrast_name(timepoint: str) -> str:
    return f"{BASELINE}_{timepoint}"


def pairs_of(quality: pd.DataFrame, identity: pd.DataFrame, timepoint: str) -> tuple[list[Pair], dict[str, int]]:
    """Pairs of baseline and ``timepoint`` that may be compared, and how many were left out by reason.

    ``quality`` has ``patient_id, timepoint, specimen_id, tool, verdict, status, assigned_reads``; ``identity`` has
    ``specimen_id, verdict, reasons``. Left out: ``QC_FAIL``, the first reason of a failed identity,
    ``MIXED_QUANTIFIERS`` (two tools count differently, which no pair can tell from biology). Of several specimens the
    one with most reads counts.
    """
    failed = identity[identity["verdict"] == str(Qc.FAIL)]
    discordant = {row["specimen_id"]: str(row["reasons"]).partition(";")[0] for row in failed.to_dict("records")}
    best: dict[tuple[str, str], Mapping[Any, Any]] = {}
    for row in quality.sort_values(["assigned_reads", "specimen_id"], ascending=[False, True]).to_dict("records"):
        best.setdefault((row["patient_id"], row["timepoint"]), row)
    found: list[Pair] = []
    left_out: dict[str, int] = {}
    for patient in sorted({name for name, _ in best}):
        two = [best.get((patient, BASELINE)), best.get((patient, timepoint))]
        if two[0] is None or two[1] is None:
            continue
        reason = ""
        if any(row["status"] != OBSERVED or row["verdict"] == str(Qc.FAIL) for row in two if row):
            reason = "QC_FAIL"
        elif named := [discordant[row["specimen_id"]] for row in two if row and row["specimen_id"] in discordant]:
            reason = named[0]
        elif two[0]["tool"] != two[1]["tool"]:
            reason = "MIXED_QUANTIFIERS"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            found.append(Pair(patient, two[0]["specimen_id"], two[1]["specimen_id"]))
    return found, left_out


def contrast_rows(
    quality: pd.DataFrame, identity: pd.DataFrame, timepoints: Iterable[str], pairs_min: int
) -> list[dict[str, Any]]:
    """One row a contrast: how many pairs it has and whether they are enough."""
    rows = []
    for timepoint in timepoints:
        pairs, left_out = pairs_of(quality, identity, timepoint)
        enough = len(pairs) >= pairs_min
        rows.append(
            {
                "contrast": contrast_name(timepoint),
                "timepoint": timepoint,
                "n_pairs": len(pairs),
                "n_left_out": sum(left_out.values()),
                "left_out": "; ".join(f"{reason}: {n}" for reason, n in sorted(left_out.items())),
                "status": OBSERVED if enough else str(Absence.NOT_EVALUABLE),
                "reason": "" if enough else f"TOO_FEW_PAIRS: {len(pairs)} of {pairs_min}",
            }
        )
    return rows


def count_matrix(expression: pd.DataFrame, specimens: Sequence[str]) -> pd.DataFrame:
    """Whole reads, specimens x genes (ids), of genes that every specimen has; fractions of shared reads are rounded."""
    chosen = expression[expression["specimen_id"].isin(list(specimens))]
    wide = chosen.pivot(index="specimen_id", columns="gene_id", values="count").dropna(axis=1)
    return wide.loc[list(specimens)].astype(float).round().astype(int)


def differential(counts: pd.DataFrame, pairs: Sequence[Pair], cpm_min: float = 1.0) -> pd.DataFrame:
    """Paired differential expression, after against before.

    Parameters
    ----------
    counts
        Specimens x genes, whole reads; holds both specimens of every pair.
    cpm_min
        Counts per million that a gene needs in as many specimens as there are pairs; other genes aren't tested.

    Returns
    -------
    DataFrame
        Indexed by gene: ``base_mean, log2_fold_change, lfc_se, wald, p_value, q_value``; q is null where DESeq2's
        independent filtering or its outlier rule leaves the gene out.
    """
    import pandas as pd
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    specimens = [specimen for pair in pairs for specimen in (pair.before, pair.after)]
    counts = counts.loc[specimens].set_axis(pd.Index(specimens, dtype=object))  # anndata compares types of names, too
    per_million = counts.div(counts.sum(axis=1), axis=0) * 1e6
    kept = counts.loc[:, (per_million >= cpm_min).sum(axis=0) >= len(pairs)]
    design = pd.DataFrame(
        {
            # Names of the model's own: a hyphen or a digit in a study id means something in a formula.
            "patient": [f"p{number:04d}" for number in range(len(pairs)) for _ in range(2)],
            "timepoint": ["before", "after"] * len(pairs),
        },
        index=counts.index,
    )
    inference = DefaultInference(n_cpus=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = DeseqDataSet(
            counts=kept, metadata=design, design="~ patient + timepoint", inference=inference, quiet=True
        )
        model.deseq2()
        tests = DeseqStats(model, contrast=["timepoint", "after", "before"], inference=inference, quiet=True)
        tests.summary()
    names = {
        "baseMean": "base_mean", "log2FoldChange": "log2_fold_change", "lfcSE": "lfc_se", "stat": "wald",
        "pvalue": "p_value", "padj": "q_value",
    }  # fmt: skip
    return tests.results_df.rename(columns=names)[list(names.values())]


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p of the finite ones, NaN elsewhere."""
    import numpy as np
    from scipy.stats import false_discovery_control

    adjusted = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        adjusted[known] = false_discovery_control(p[known])
    return adjusted


def camera(
    statistic: np.ndarray, members: np.ndarray, correlation: float = INTER_GENE_CORRELATION
) -> tuple[float, float]:
    """CAMERA on ranked genes' statistics: (difference of means in and outside the set, two-sided p).

    A two-sample t test whose variance of the set's mean is inflated by ``1 + (m - 1) correlation`` (Wu and Smyth 2012).

    Parameters
    ----------
    statistic
        Of all G genes, shape (G,).
    members
        Positions of the set's m genes, 0 < m < G.
    """
    from scipy.stats import t as student

    n, m = len(statistic), len(members)
    outside = n - m
    difference = n / outside * (statistic[members].mean() - statistic.mean())
    pooled = ((n - 1) * statistic.var(ddof=1) - difference**2 * m * outside / n) / (n - 2)
    error = (pooled * ((1 + (m - 1) * correlation) / m + 1 / outside)) ** 0.5
    return float(difference), float(2 * student.sf(abs(difference / error), n - 2))


def set_rows(
    genes: pd.DataFrame,
    gene_sets: Mapping[str, Sequence[str]],
    scores: pd.DataFrame,
    pairs: Sequence[Pair],
    min_coverage: float = 0.8,
) -> list[dict[str, Any]]:
    """Enrichment of each set in one contrast.

    Parameters
    ----------
    genes
        ``gene_symbol, wald`` of the contrast's tested genes.
    scores
        ``specimen_id, signature, score`` of the single-sample scores.
    min_coverage
        Share of a set's genes that must have been tested.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import wilcoxon

    tested = genes.dropna(subset=["gene_symbol", "wald"]).drop_duplicates("gene_symbol")
    statistic = tested["wald"].to_numpy(dtype=float)
    index = pd.Index(tested["gene_symbol"].astype(str))
    by_specimen = scores.dropna(subset=["score"]).pivot(index="signature", columns="specimen_id", values="score")
    rows = []
    for name, members in gene_sets.items():
        positions = index.get_indexer(pd.Index(members))
        positions = positions[positions >= 0]
        row: dict[str, Any] = {
            "signature": name, "genes_tested": len(positions), "genes_total": len(members), "status": OBSERVED,
            "reason": "",
        }  # fmt: skip
        if len(positions) < max(2, min_coverage * len(members)) or len(positions) >= len(statistic) - 2:
            row |= {"status": str(Absence.NOT_EVALUABLE), "reason": "TOO_FEW_GENES"}
        else:
            row["mean_wald_difference"], row["p_value"] = camera(statistic, positions)
        if name in by_specimen.index:
            both = by_specimen.loc[name].reindex([x for pair in pairs for x in (pair.before, pair.after)])
            change = both.to_numpy(dtype=float).reshape(-1, 2) @ np.array([-1.0, 1.0])
            change = change[np.isfinite(change)]
            if len(change):
                row["score_change_median"] = float(np.median(change))
                row["paired_p_value"] = float(wilcoxon(change).pvalue) if np.any(change != 0) else 1.0
                row["n_pairs"] = len(change)
        rows.append(row)
    for source, target in (("p_value", "q_value"), ("paired_p_value", "paired_q_value")):
        adjusted = benjamini_hochberg(np.array([row.get(source, np.nan) for row in rows], dtype=float))
        for row, value in zip(rows, adjusted, strict=True):
            row[target] = float(value) if np.isfinite(value) else None
    return rows
