"""Merged matrices of one study's pipeline (nf-core/rnaseq): genes in rows, samples in columns, one sample taken.

A delivery row names its sample's column with ``sample_name``. What the numbers are is told by their sums: columns of
TPM all sum to a million, columns of reads don't.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq import delimited

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ID_COLUMNS = ("gene_id", "gene_name", "transcript_id(s)")
COUNTS, TPM = "matrix", "matrix_tpm"


def is_matrix(header: list[str]) -> bool:
    """``gene_id``, perhaps ``gene_name`` or RSEM's ``transcript_id(s)``, then samples; no column of a tool's table."""
    known = {"length", "effective_length", "expected_count", "TPM", "FPKM"}
    return header[:1] == ["gene_id"] and bool(samples_of(header)) and not known & set(header)


def samples_of(header: list[str]) -> list[str]:
    return [name for name in header if name not in ID_COLUMNS]


def read_column(
    path: Path, content: bytes, skipped: int, header: list[str], sample_name: str
) -> tuple[str, pd.Series, pd.Series | None, np.ndarray]:
    """(`COUNTS` or `TPM`, gene ids, gene names or None, the sample's values).

    Raises
    ------
    InputError
        ``E_SAMPLE_MISMATCH`` without a column of that name, or without a name where there are several; ``E_SCHEMA`` for
        lengths instead of expression (a column that neither sums to a million nor holds reads can't be told).
    """
    samples = samples_of(header)
    if not sample_name and len(samples) == 1:
        sample_name = samples[0]
    if header.count(sample_name) != 1 or sample_name not in samples:
        what = "no column, or several, are named as sample_name says" if sample_name else "the table holds many samples"
        raise InputError(
            "E_SAMPLE_MISMATCH",
            what,
            file=path.name,
            column="sample_name",
            fix="give the name of the sample's column as sample_name in the delivery row",
        )
    texts = [name for name in ("gene_id", "gene_name") if name in header]
    columns = delimited.columns_of(content, path, header, texts=texts, numbers=[sample_name], skip_rows=skipped + 1)
    values = columns[sample_name]
    kind = TPM if values.sum() > 0 and abs(values.sum() / 1e6 - 1) < 1e-3 else COUNTS
    return kind, columns["gene_id"], columns.get("gene_name"), values
