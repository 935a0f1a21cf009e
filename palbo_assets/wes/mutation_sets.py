"""Which mutations of a tumour are private to its timepoint, and which it shares with another of the patient.

Private is only said with power: every tumour of another timepoint that isn't another person's must be ABSENT there by
force-genotyping. A mutation that one of them can neither show nor exclude is undetermined and is in neither set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palbo_assets.study.vocabulary import State
from palbo_assets.wes.trinucleotides import Substitution

if TYPE_CHECKING:
    import pandas as pd

BASES = frozenset("ACGT")


@dataclass(frozen=True)
class Sets:
    """Substitutions called in one specimen, by what the patient's other timepoints say. ``reason`` where they can't."""

    timepoint: str
    specimen_id: str
    private: tuple[Substitution, ...] = ()
    shared: tuple[Substitution, ...] = ()
    undetermined: int = 0
    reason: str | None = None


def substitutions(calls: pd.DataFrame) -> list[Substitution]:
    """(contig, 1-based position, ref, alt) of the single-base substitutions among rows with those columns."""
    places = zip(calls["chrom"], calls["pos"], calls["ref"], calls["alt"], strict=True)
    return [(chrom, int(pos), ref, alt) for chrom, pos, ref, alt in places if {ref, alt} <= BASES]


def passing(calls: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``somatic_calls`` that count as mutations of their own specimen."""
    return calls[(calls["filter"] == "PASS") & ~calls["forced"].astype(bool)]


def of_tumours(genotypes: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``patient_genotypes`` on variants of tissue in tissue: plasma and blood have no private mutations."""
    return genotypes[(genotypes["sample_kind"] == "tumour") & (genotypes["found_in"] != "plasma")]


def private_and_shared(genotypes: pd.DataFrame, swapped: Iterable[str] = ()) -> list[Sets]:
    """Sets of every specimen in a patient's tumours (`of_tumours`).

    ``swapped``: specimens of other people; they get no sets and say nothing of the others.
    """
    other_people = set(swapped)
    own = genotypes[~genotypes["specimen_id"].isin(other_people)]
    found = []
    for timepoint, specimen in sorted(
        {(str(t), str(s)) for t, s in genotypes[["timepoint", "specimen_id"]].to_numpy()}
    ):
        if specimen in other_people:
            found.append(Sets(timepoint, specimen, reason="E_IDENTITY_MISMATCH"))
            continue
        others = own[own["timepoint"] != timepoint]
        if others.empty:
            found.append(Sets(timepoint, specimen, reason="ONE_TIMEPOINT"))
            continue
        states = others.groupby(["chrom", "pos", "ref", "alt"])["state"].agg(set)
        called = own[(own["specimen_id"] == specimen) & own["called"].astype(bool)]
        private, shared, undetermined = [], [], 0
        for one in substitutions(called.sort_values(["chrom", "pos", "ref", "alt"])):
            elsewhere = states.get(one, {State.NOT_EVALUABLE.value})
            if State.PRESENT.value in elsewhere:
                shared.append(one)
            elif elsewhere == {State.ABSENT.value}:
                private.append(one)
            else:
                undetermined += 1
        found.append(Sets(timepoint, specimen, tuple(private), tuple(shared), undetermined))
    return found
