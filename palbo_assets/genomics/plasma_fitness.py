"""How every room takes up that a plasma isn't fit (``ctdna_fitness``): in its quality verdict, and in its alleles."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FOREIGN_DNA, INDEX_HOPPING = "foreign_dna", "index_hopping"
_FAIL, _PRESENT, _NOT_EVALUABLE = "fail", "PRESENT", "NOT_EVALUABLE"  # the study's words, which a library doesn't know
_ALLELE = ["chrom", "pos", "ref", "alt"]


def with_fitness(quality: pd.DataFrame, fitness: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``ctdna_qc`` whose verdict is fail, too, where the plasma isn't fit."""
    unfit = fitness.loc[fitness["verdict"] == _FAIL, "specimen_id"]
    return quality.assign(verdict=quality["verdict"].mask(quality["specimen_id"].isin(list(unfit)), _FAIL))


def explained_by_others(
    calls: pd.DataFrame, fitness: pd.DataFrame, tissue: Set[tuple[str, int, str, str]] = frozenset()
) -> pd.Series:
    """What else may have made each row of ``ctdna_calls``: `FOREIGN_DNA`, `INDEX_HOPPING`, or null.

    Another person's DNA explains alleles up to ``explained_vaf`` that aren't in tissue; copies of another library's
    molecules explain the alleles that ``hopped_alleles`` names, in tissue or not: each molecule was looked at.

    Parameters
    ----------
    tissue
        Alleles (chrom, pos, ref, alt) that were called in the patient's own tumours: known before the plasma was.
    """
    import pandas as pd

    limits = dict(zip(fitness["specimen_id"], fitness["explained_vaf"], strict=True))
    foreign = (calls["vaf"] <= calls["specimen_id"].map(limits).astype("Float64")).fillna(False).astype(bool)
    named = {
        specimen: set(alleles.split(";"))
        for specimen, alleles in zip(fitness["specimen_id"], fitness["hopped_alleles"], strict=True)
        if isinstance(alleles, str)
    }
    alleles = [tuple(allele) for allele in calls[_ALLELE].to_numpy()]
    found = [
        INDEX_HOPPING if allele_name(*allele) in named.get(specimen, ())
        else FOREIGN_DNA if is_foreign and allele not in tissue
        else None
        for allele, specimen, is_foreign in zip(alleles, calls["specimen_id"], foreign, strict=True)
    ]  # fmt: skip
    return pd.Series(found, index=calls.index, dtype="str")


def without_alleles_of_others(
    calls: pd.DataFrame, fitness: pd.DataFrame, tissue: Set[tuple[str, int, str, str]] = frozenset()
) -> pd.DataFrame:
    """``calls`` with such alleles NOT_EVALUABLE where they were PRESENT: the numbers stay, the filter says why."""
    others = explained_by_others(calls, fitness, tissue)
    doubted = others.notna() & (calls["state"] == _PRESENT)
    return calls.assign(
        state=calls["state"].mask(doubted, _NOT_EVALUABLE),
        filter=calls["filter"].mask(doubted, others),
    )


def allele_name(chrom: str, pos: int, ref: str, alt: str) -> str:
    """``chrom:pos:ref>alt``, as ``hopped_alleles`` lists it."""
    return f"{chrom}:{pos}:{ref}>{alt}"


def tissue_variants(somatic_calls: pd.DataFrame, foreign: Collection[str] = ()) -> pd.DataFrame:
    """Variants that were called in the patient's own tumours, each once. ``foreign``: specimens of somebody else."""
    called = somatic_calls[(somatic_calls["filter"] == "PASS") & ~somatic_calls["forced"].fillna(False).astype(bool)]
    called = called[~called["specimen_id"].isin(list(foreign))]
    return called.drop_duplicates(_ALLELE).sort_values(_ALLELE)


def alleles_of(variants: pd.DataFrame) -> set[tuple[str, int, str, str]]:
    """(chrom, pos, ref, alt) of rows."""
    return {tuple(key) for key in variants[_ALLELE].to_numpy()}
