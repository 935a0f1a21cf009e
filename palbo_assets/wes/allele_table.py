"""Rows of ``snp_genotypes`` as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Counts:
    """One sample: fragments with the alternative and with either allele, and population frequencies (NaN: not stated).

    Each (s,), SNPs in genome order, so that two samples of one partition stand SNP beside SNP.
    """

    alt: np.ndarray
    depth: np.ndarray
    frequency: np.ndarray


def counts_of(genotypes: pd.DataFrame, source: str, specimen_id: str | None = None) -> Counts | None:
    """The counts of a specimen (or of the only one of this source); None when the table has none."""
    rows = genotypes[genotypes["source"] == source]
    if specimen_id is not None:
        rows = rows[rows["specimen_id"] == specimen_id]
    if rows.empty:
        return None
    rows = rows.sort_values(["chrom", "pos", "alt"])
    return Counts(
        rows["alt_count"].to_numpy(dtype=np.int64),
        rows["depth"].to_numpy(dtype=np.int64),
        rows["frequency"].to_numpy(dtype=float, na_value=np.nan),
    )
