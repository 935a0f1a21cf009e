"""Intrinsic subtype (PAM50) of one sample against a frozen reference.

Method (Parker 2009, J Clin Oncol 27:1160): log2 expression of the 50 genes, each centred on the reference's median,
Spearman correlation with the five centroids, the best one is the call. The medians are frozen in the reference bundle
and the same for every timepoint. A study of HR+ patients must not be centred on itself: half of its luminal tumours
would be called something else, and centring each timepoint apart would erase every switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import NotEvaluableError, ReferenceBundleError
from palbo_assets.platform.text import number, read_table
from palbo_assets.rnaseq.symbols import BUILT_IN, SymbolNames

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SUBTYPES = ("LumA", "LumB", "Her2", "Basal", "Normal")
NORMAL = "Normal"


@dataclass(frozen=True)
class SubtypeCall:
    """``correlations``: subtype -> Spearman's rho; ``margin``: best minus second; ``n_genes``: genes used."""

    subtype: str
    margin: float
    confident: bool
    correlations: dict[str, float]
    n_genes: int
    reason: str = ""


def read_centroids(path: Path, names: SymbolNames = BUILT_IN) -> pd.DataFrame:
    """Centroids, genes x `SUBTYPES`, indexed by current symbol, from a CSV ``gene,LumA,LumB,Her2,Basal,Normal``.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` when a gene stands twice or a cell is empty; InputError from `read_table` otherwise.
    """
    return _numbers_by_gene(path, SUBTYPES, names)


def read_medians(path: Path, names: SymbolNames = BUILT_IN) -> pd.Series:
    """Frozen medians of log2(TPM + 1) by current symbol, from a CSV ``gene,median``."""
    return _numbers_by_gene(path, ("median",), names)["median"]


def _numbers_by_gene(path: Path, columns: tuple[str, ...], names: SymbolNames) -> pd.DataFrame:
    import pandas as pd

    table = read_table(path, required=("gene", *columns))
    genes = [names.current(gene) for gene in table["gene"]]
    rows = [int(row) for row in table.index]
    values = {
        name: [number(cell, path=path, row=row, column=name) for row, cell in zip(rows, table[name], strict=True)]
        for name in columns
    }
    frame = pd.DataFrame(values, index=pd.Index(genes, name="gene"), dtype=float)
    if frame.index.has_duplicates or frame.isna().any(axis=None):
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA", "a gene stands twice, or a cell is empty", file=path.name, fix="correct the file"
        )
    return frame


def call_subtype(
    log2_expression: pd.Series,
    centroids: pd.DataFrame,
    medians: pd.Series,
    *,
    confident_margin: float = 0.10,
    min_coverage: float = 0.80,
) -> SubtypeCall:
    """The subtype of one sample.

    Parameters
    ----------
    log2_expression
        log2(TPM + 1) by current gene symbol (or any log2 scale on which ``medians`` were taken); NaN is missing.
    centroids, medians
        As `read_centroids` and `read_medians` return them.
    confident_margin
        Smallest difference of the best two correlations of a confident call. A Normal-like call is never confident:
        it mostly means that the biopsy holds little tumour.
    min_coverage
        Share of the centroids' genes that must be measured and have a median.

    Raises
    ------
    NotEvaluableError
        ``TOO_FEW_GENES``, or ``FLAT_PROFILE`` when the centred values are all equal.
    """
    import numpy as np

    centred = (log2_expression.reindex(centroids.index) - medians.reindex(centroids.index)).to_numpy(dtype=float)
    usable = np.isfinite(centred)
    if usable.sum() < min_coverage * len(centroids):
        raise NotEvaluableError("TOO_FEW_GENES", f"{int(usable.sum())} of {len(centroids)} genes are usable")
    rho = spearman(centred[usable], centroids.to_numpy()[usable])
    if not np.isfinite(rho).all():
        raise NotEvaluableError("FLAT_PROFILE", "the centred expression doesn't vary between genes")
    # A stable sort settles an exact tie in the order of the centroids.
    order = np.argsort(-rho, kind="stable")
    subtype, margin = str(centroids.columns[order[0]]), float(rho[order[0]] - rho[order[1]])
    return SubtypeCall(
        subtype,
        margin,
        margin >= confident_margin and subtype != NORMAL,
        {str(name): float(value) for name, value in zip(centroids.columns, rho, strict=True)},
        int(usable.sum()),
        "NORMAL_LIKE: low tumour purity is likely" if subtype == NORMAL else "",
    )


def spearman(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Spearman's rho of ``values`` (n,) with each column of ``columns`` (n, k), ties with mean ranks; NaN if flat."""
    import numpy as np
    from scipy.stats import rankdata

    x = rankdata(values) - (len(values) + 1) / 2
    y = rankdata(columns, axis=0) - (len(values) + 1) / 2
    norm = np.sqrt((x @ x) * (y * y).sum(axis=0))
    return np.divide(x @ y, norm, out=np.full(columns.shape[1], np.nan), where=norm > 0)
