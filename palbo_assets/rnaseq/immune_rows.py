"""Rows of ``immune_deconvolution`` of one sample: both methods, each with its coverage or the reason for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.rnaseq.immune_fractions import (
    Marker,
    Signature,
    cell_fractions,
    marker_scores,
    read_markers,
    read_signature,
)
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.symbols import SymbolNames
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import pandas as pd

QUANTISEQ, MCP_COUNTER = "quantiseq", "mcp_counter"


@dataclass(frozen=True)
class References:
    """What the bundle holds; None where it holds nothing."""

    signature: Signature | None
    markers: Mapping[str, tuple[Marker, ...]] | None

    @classmethod
    def read(cls, signature: Path | None, scaling: Path | None, markers: Path | None, names: SymbolNames) -> References:
        return cls(
            # Without the mRNA content parts would be of RNA and not of cells: both files or none.
            None if signature is None or scaling is None else read_signature(signature, scaling, names),
            None if markers is None else read_markers(markers, names),
        )


def rows_of(tpm: pd.Series, genes: pd.DataFrame, references: References, settings: Settings) -> list[dict[str, Any]]:
    """All populations of one sample: ``method, population, value, unit, genes_present, genes_total, status, reason``.

    Parameters
    ----------
    tpm
        TPM by current symbol; empty when the sample has none.
    genes
        Its rows of ``expression``.
    """
    return [*_fractions(tpm, references.signature, settings), *_scores(genes, references.markers, settings)]


def _fractions(tpm: pd.Series, signature: Signature | None, settings: Settings) -> list[dict[str, Any]]:
    if signature is None:
        reason = "REFERENCE_MISSING: immune_signature and immune_mrna_scaling"
        return [_row(QUANTISEQ, name, None, 0, None, reason) for name in settings.expected_populations]
    left_out = {*settings.noisy_signature_genes, *settings.tumour_signature_genes}
    fractions, present, total = cell_fractions(tpm, signature, left_out)
    reason = "TOO_FEW_GENES" if present < settings.min_gene_coverage * total or present == 0 else ""
    return [_row(QUANTISEQ, str(name), float(value), present, total, reason) for name, value in fractions.items()]


def _scores(
    genes: pd.DataFrame, markers: Mapping[str, tuple[Marker, ...]] | None, settings: Settings
) -> list[dict[str, Any]]:
    if markers is None:
        return []
    return [
        _row(
            MCP_COUNTER,
            population,
            score,
            present,
            total,
            "TOO_FEW_GENES" if present < settings.min_gene_coverage * total else "",
        )
        for population, score, present, total in marker_scores(genes.dropna(subset=["tpm"]), markers)
    ]


def _row(
    method: str, population: str, value: float | None, present: int, total: int | None, reason: str
) -> dict[str, Any]:
    return {
        "method": method,
        "population": population,
        "value": None if reason else value,
        "unit": "1" if method == QUANTISEQ else "log2(TPM+1)",
        "genes_present": present,
        "genes_total": total,
        "status": str(Absence.NOT_EVALUABLE) if reason else OBSERVED,
        "reason": reason,
    }
