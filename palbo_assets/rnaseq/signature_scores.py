"""Signature scores of one sample, each from that sample alone: no cohort enters, so adding a patient changes nothing.

ssGSEA (Barbie 2009, Nature 462:108) walks the genes from highest to lowest and sums the difference of two running
sums: the set's genes, weighted with rank^alpha, and the other genes. Summed over the whole walk this is closed: with
ascending ranks r (1 = lowest) of G genes, n of them in the set, and weights w = r^alpha,

    ES = sum(w r) / sum(w)  -  (G (G + 1) / 2 - sum(r)) / (G - n)

The division by the range of the cohort's scores that some programs add is left out: it would tie a sample's score to
the samples beside it. Tied genes share their mean rank, which gives the mean of ES over all orders of the tied genes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.rnaseq.gene_sets import (
    GEOMETRIC_MEAN,
    KEY_GENES,
    LITERATURE_SIGNATURES,
    LOG2_RATIO,
    LiteratureSignature,
)
from palbo_assets.rnaseq.identifiers import current_symbol
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SSGSEA, SINGLE_GENE = "ssgsea", "log2_tpm"


def ssgsea(ranks: np.ndarray, members: np.ndarray, alpha: float = 0.25) -> float:
    """Un-normalised enrichment score of one set in one sample: the formula as it is read (`SetScorer` does many).

    Parameters
    ----------
    ranks
        Ascending ranks of all G genes, shape (G,); tied genes share their mean rank.
    members
        Positions of the set's genes in ``ranks``, shape (n,), 0 < n < G.
    alpha
        Exponent of the weights.
    """
    inside = ranks[members]
    weights = inside**alpha
    n_genes, n_outside = len(ranks), len(ranks) - len(members)
    outside_sum = n_genes * (n_genes + 1) / 2 - inside.sum()
    return float((weights * inside).sum() / weights.sum() - outside_sum / n_outside)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ascending ranks from 1, tied values sharing their mean rank; equals scipy's rankdata, at the cost of the sort."""
    import numpy as np

    order = np.argsort(values)
    ordered = values[order]
    ranks = np.empty(len(values))
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if len(starts) == len(values):
        ranks[order] = np.arange(1.0, len(values) + 1)
    else:
        lengths = np.diff(starts, append=len(values))
        ranks[order] = np.repeat(starts + (lengths + 1) / 2, lengths)
    return ranks


@dataclass(frozen=True)
class SetScorer:
    """ssGSEA of S sets over the same G genes, sample by sample; what doesn't depend on the sample is done once.

    ``members``: the sets' positions one after the other; ``starts``: where each set begins, shape (S,); ``sizes``:
    (S,); ``powers``: (k / 2) ** alpha for k = 0 .. 2 G, because mean ranks are halves.
    """

    members: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    powers: np.ndarray
    n_genes: int

    @classmethod
    def of(cls, sets: Sequence[np.ndarray], n_genes: int, alpha: float = 0.25) -> SetScorer:
        """From the positions of each set's genes; every set has a gene inside and one outside."""
        import numpy as np

        sizes = np.array([len(members) for members in sets])
        if sizes.size == 0 or sizes.min() < 1 or sizes.max() >= n_genes:
            raise ValueError("a set needs a gene inside and one outside")
        powers = (np.arange(2 * n_genes + 1) / 2) ** alpha
        return cls(np.concatenate(sets), np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes, powers, n_genes)

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Enrichment scores of the sets, shape (S,), in one sample's expression ``values``, shape (G,)."""
        import numpy as np

        inside = mean_ranks(values)[self.members]
        weights = self.powers[(2 * inside).astype(np.intp)]
        n_genes = self.n_genes
        sums, weighted, total = (np.add.reduceat(x, self.starts) for x in (inside, weights * inside, weights))
        return weighted / total - (n_genes * (n_genes + 1) / 2 - sums) / (n_genes - self.sizes)


def literature_score(signature: LiteratureSignature, tpm: np.ndarray) -> float:
    """Score of a literature signature from the TPM of the genes that are there, in the signature's order."""
    import numpy as np

    if signature.rule == GEOMETRIC_MEAN:
        return float(np.exp(np.log(tpm + 0.01).mean()))
    logs = np.log2(tpm + 1)
    return float(logs[0] - logs[1]) if signature.rule == LOG2_RATIO else float(logs.mean())


def score_sample(
    tpm: pd.Series,
    gene_sets: Mapping[str, Sequence[str]] | None,
    *,
    expected_sets: Iterable[str] = (),
    min_coverage: float = 0.8,
    alpha: float = 0.25,
) -> list[dict[str, Any]]:
    """All signatures of one sample.

    Parameters
    ----------
    tpm
        TPM by current gene symbol, unique; empty when the sample has no TPM.
    gene_sets
        Set name -> symbols; None when the reference bundle has none: the ``expected_sets`` are then listed as
        NOT_EVALUABLE.
    min_coverage
        Share of a signature's genes that must be in ``tpm``.

    Returns
    -------
    list of dict
        ``signature, method, score, unit, genes_present, genes_total, status, reason``; a score is null unless OBSERVED.
    """
    rows = [
        *_set_rows(tpm, gene_sets, list(expected_sets), min_coverage, alpha),
        *(_literature_row(tpm, signature, min_coverage) for signature in LITERATURE_SIGNATURES),
        *(_gene_row(tpm, gene) for gene in KEY_GENES),
    ]
    if tpm.empty:
        return [{**row, **_absent("NO_TPM")} for row in rows]
    return rows


def _set_rows(
    tpm: pd.Series,
    gene_sets: Mapping[str, Sequence[str]] | None,
    expected: list[str],
    min_coverage: float,
    alpha: float,
) -> Iterable[dict[str, Any]]:
    if gene_sets is None:
        missing = _absent("REFERENCE_MISSING: gene_sets")
        return [_row(name, SSGSEA, "rank sum", 0, None) | missing for name in expected]
    rows, usable = [], []
    for name, genes in gene_sets.items():
        members = _positions(tpm, genes)
        row = _row(name, SSGSEA, "rank sum", len(members), len(set(map(current_symbol, genes))))
        if not _covered(row, min_coverage):
            row |= _absent("TOO_FEW_GENES")
        elif len(members) >= len(tpm):
            row |= _absent("NO_GENES_OUTSIDE_THE_SET")
        else:
            usable.append((row, members))
        rows.append(row)
    if usable:
        scorer = SetScorer.of([members for _, members in usable], len(tpm), alpha)
        for (row, _), score in zip(usable, scorer.scores(tpm.to_numpy()), strict=True):
            row["score"] = float(score)
    return rows


def _literature_row(tpm: pd.Series, signature: LiteratureSignature, min_coverage: float) -> dict[str, Any]:
    members = _positions(tpm, signature.genes)
    unit = "TPM" if signature.rule == GEOMETRIC_MEAN else "log2"
    row = _row(signature.name, signature.rule, unit, len(members), len(signature.genes))
    # A mean of two of ten genes is another signature; a ratio or a product of two needs both.
    needed = 1.0 if len(signature.genes) == 2 else min_coverage
    if not _covered(row, needed):
        return row | _absent("TOO_FEW_GENES")
    row["score"] = literature_score(signature, tpm.to_numpy()[members])
    return row


def _gene_row(tpm: pd.Series, gene: str) -> dict[str, Any]:
    import numpy as np

    row = _row(f"gene:{gene}", SINGLE_GENE, "log2(TPM+1)", int(gene in tpm.index), 1)
    if gene not in tpm.index:
        return row | _absent("NOT_IN_ANNOTATION")
    row["score"] = float(np.log2(tpm[gene] + 1))
    return row


def _positions(tpm: pd.Series, genes: Iterable[str]) -> np.ndarray:
    """Positions of the genes that ``tpm`` has, in the genes' order, each once."""
    import pandas as pd

    found = tpm.index.get_indexer(pd.Index(list(dict.fromkeys(map(current_symbol, genes)))))
    return found[found >= 0]


def _row(signature: str, method: str, unit: str, present: int, total: int | None) -> dict[str, Any]:
    return {
        "signature": signature,
        "method": method,
        "score": None,
        "unit": unit,
        "genes_present": present,
        "genes_total": total,
        "status": OBSERVED,
        "reason": "",
    }


def _covered(row: dict[str, Any], min_coverage: float) -> bool:
    return bool(row["genes_present"] and row["genes_present"] >= min_coverage * row["genes_total"])


def _absent(reason: str) -> dict[str, Any]:
    return {"score": None, "status": str(Absence.NOT_EVALUABLE), "reason": reason}
