"""How much a sample's profile is like the others': the median of its rank correlations with them.

A library that failed in a way that no count shows (degraded, swapped tissue) is unlike all the others. Among FFPE
breast biopsies a median below 0.75 marked the samples to leave out (Liu 2022, BMC Medical Genomics).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def median_correlations(expression: pd.DataFrame, expressed_tpm: float) -> dict[str, float]:
    """Each specimen's median Spearman correlation with the other specimens.

    Parameters
    ----------
    expression
        Rows ``specimen_id, gene_id, tpm``; specimens without TPM are left out.
    expressed_tpm
        TPM that a gene must exceed in some specimen to count: genes that are silent in all are tied, and would make
        everything alike.

    Returns
    -------
    dict
        Specimen -> correlation. Empty with fewer than three specimens: two can't tell which of them is the odd one.
    """
    usable = expression.dropna(subset=["tpm"])
    wide = usable.pivot(index="gene_id", columns="specimen_id", values="tpm").dropna(axis=0)
    wide = wide[(wide > expressed_tpm).any(axis=1)]
    wide = wide.loc[:, wide.nunique() > 1]  # all genes alike: no order to compare
    if wide.shape[1] < 3 or len(wide) < 3:
        return {}
    correlation = np.corrcoef(wide.rank(axis=0).to_numpy(dtype=float), rowvar=False)
    np.fill_diagonal(correlation, np.nan)
    medians = np.nanmedian(correlation, axis=1)
    return {str(name): float(value) for name, value in zip(wide.columns, medians, strict=True)}
