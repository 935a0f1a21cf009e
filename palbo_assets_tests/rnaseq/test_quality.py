"""The verdict names what failed or warned, and what couldn't be judged judges nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.quality import assess
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.settings import Settings

NAMED = ("ACTB", "GAPDH", "RPLP0", "PUM1", "TBP", "HBA1", "HBA2", "HBB", "MT-CO1", "XIST", "RPS4Y1")


def biopsy(n_genes: int = 20_000, expressed: int = 14_000, reads: float = 40e6, **counts: float) -> pd.DataFrame:
    """A whole-transcriptome sample of equally long genes, good unless a parameter makes it bad."""
    symbols = [*NAMED, *(f"g{i}" for i in range(n_genes - len(NAMED)))]
    values = np.zeros(n_genes)
    values[:expressed] = reads / expressed
    by_symbol = {"HBA1": 10.0, "HBA2": 10.0, "HBB": 10.0, "RPS4Y1": 0.0, **counts}
    for symbol, count in by_symbol.items():
        values[symbols.index(symbol.replace("_", "-"))] = count
    return pd.DataFrame(
        {"gene_id": symbols, "gene_symbol": symbols, "count": values, "tpm": values / values.sum() * 1e6}
    )


def judged(genes: pd.DataFrame, **also: Any) -> dict[str, Any]:
    return assess(genes, Settings(), **also)


def test_a_good_sample_passes_without_reasons() -> None:
    found = judged(biopsy())
    assert (found["verdict"], found["reasons"]) == ("pass", "")
    assert found["genes_tpm_above_4"] == 14_000 - 4
    assert found["housekeeping_expressed"] == 5


@pytest.mark.parametrize(
    ("genes", "also", "verdict", "reason"),
    [
        (biopsy(reads=24.9e6), {}, "fail", "LOW_ASSIGNED_READS"),
        (biopsy(expressed=11_000), {}, "fail", "FEW_DETECTED_GENES"),
        (biopsy(HBB=4e6), {}, "warn", "HIGH_HAEMOGLOBIN_SHARE"),
        (biopsy(MT_CO1=12e6), {}, "warn", "HIGH_MITOCHONDRIAL_SHARE"),
        (biopsy(TBP=0.0), {}, "warn", "SILENT_HOUSEKEEPING"),
        (biopsy(ACTB=0, GAPDH=0, RPLP0=0, PUM1=0, TBP=0), {}, "fail", "SILENT_HOUSEKEEPING"),
        (biopsy(), {"counters": {"N_unmapped": 30e6}}, "warn", "LOW_MAPPED_SHARE"),
        (biopsy(), {"counters": {"N_unmapped": 50e6}}, "fail", "LOW_MAPPED_SHARE"),
        (biopsy(), {"strandedness": "undetermined"}, "warn", "STRAND_UNDETERMINED"),
        (biopsy(), {"unmapped_share": 0.2}, "warn", "UNMAPPED_TRANSCRIPTS"),
    ],
)
def test_each_limit_has_its_verdict(genes: pd.DataFrame, also: dict[str, Any], verdict: str, reason: str) -> None:
    found = judged(genes, **also)
    assert (found["verdict"], found["reasons"]) == (verdict, reason)


def test_detected_genes_of_a_targeted_annotation_are_not_judged() -> None:
    found = judged(biopsy(n_genes=2_500, expressed=2_000))
    assert found["verdict"] == "pass"
    assert "DETECTED_GENES (targeted annotation)" in found["not_judged"]


def test_without_tpm_or_symbols_nothing_is_invented() -> None:
    genes = biopsy().assign(tpm=np.nan, gene_symbol=None)
    found = judged(genes, tpm_reason="NO_LENGTHS: star reports counts without gene lengths")
    assert found["genes_tpm_above_4"] is None and found["xist_tpm"] is None and found["mito_share"] is None
    assert found["verdict"] == "pass"
    for what in ("DETECTED_GENES (NO_LENGTHS", "MITOCHONDRIAL_SHARE", "HAEMOGLOBIN_SHARE", "HOUSEKEEPING"):
        assert what in found["not_judged"]


def test_limits_come_from_settings() -> None:
    assert assess(biopsy(reads=5e6), Settings(assigned_reads_min=1e6))["verdict"] == "pass"


def test_a_real_cell_line_of_a_woman_expresses_xist_and_no_y_gene(shared_data: Path) -> None:
    found = judged(
        summarise(read_quantification(shared_data / "rna/tximport/rsem/ERR188021/ERR188021.genes.results")).genes
    )
    assert found["xist_tpm"] > 1 > found["rps4y1_tpm"]
    assert found["housekeeping_expressed"] == found["housekeeping_total"] == 5
    assert found["tpm_sum"] == pytest.approx(1e6, rel=1e-3)
    assert found["verdict"] == "fail" and "LOW_ASSIGNED_READS" in found["reasons"]  # 24.3 of 25 million reads
