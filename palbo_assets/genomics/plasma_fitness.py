"""How every room takes up that a plasma isn't fit (``ctdna_fitness``): in its quality verdict, and in its alleles."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FOREIGN_DNA = "foreign_dna"
_FAIL, _PRESENT, _NOT_EVALUABLE = "fail", "PRESENT", "NOT_EVALUABLE"  # the study's words, which a library doesn't know
_ALLELE = ["chrom", "pos", "ref", "alt"]


def with_fitness(quality: pd.DataFrame, fitness: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``ctdna_qc`` whose verdict is fail, too, where the plasma isn't fit."""
    unfit = fitness.loc[fitness["verdict"] == _FAIL, "specimen_id"]
    return quality.assign(verdict=quality["verdict"].mask(quality["specimen_id"].isin(list(unfit)), _FAIL))


def explained_by_foreign_dna(
    calls: pd.DataFrame, fitness: pd.DataFrame, tissue: Set[tuple[str, int, str, str]] = frozenset()
) -> pd.Series:
    """Which rows of ``ctdna_calls`` another person's DNA may have made: at most ``explained_vaf``, and not in tissue.

    Parameters
    ----------
    tissue
        Alleles (chrom, pos, ref, alt) that were called in the patient's own tumours: known before the plasma was.
    """
    import pandas as pd

    limits = dict(zip(fitness["specimen_id"], fitness["explained_vaf"], strict=True))
    explained = (calls["vaf"] <= calls["specimen_id"].map(limits).astype("Float64")).fillna(False).astype(bool)
    own = [tuple(allele) in tissue for allele in calls[_ALLELE].to_numpy()]
    return explained & ~pd.Series(own, index=calls.index, dtype=bool)


def without_foreign_alleles(
    calls: pd.DataFrame, fitness: pd.DataFrame, tissue: Set[tuple[str, int, str, str]] = frozenset()
) -> pd.DataFrame:
    """``calls`` with such alleles NOT_EVALUABLE where they were PRESENT: the numbers stay, the filter says why."""
    doubted = explained_by_foreign_dna(calls, fitness, tissue) & (calls["state"] == _PRESENT)
    return calls.assign(
        state=calls["state"].mask(doubted, _NOT_EVALUABLE),
        filter=calls["filter"].mask(doubted, FOREIGN_DNA),
    )


def tissue_variants(somatic_calls: pd.DataFrame, foreign: Collection[str] = ()) -> pd.DataFrame:
    """Variants that were called in the patient's own tumours, each once. ``foreign``: specimens of somebody else."""
    called = somatic_calls[(somatic_calls["filter"] == "PASS") & ~somatic_calls["forced"].fillna(False).astype(bool)]
    called = called[~called["specimen_id"].isin(list(foreign))]
    return called.drop_duplicates(_ALLELE).sort_values(_ALLELE)


def alleles_of(variants: pd.DataFrame) -> set[tuple[str, int, str, str]]:
    """(chrom, pos, ref, alt) of rows."""
    return {tuple(key) for key in variants[_ALLELE].to_numpy()}
