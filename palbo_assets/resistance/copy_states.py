"""What copy number says of mechanisms: amplified genes, and the second hit of a gene that needs two.

Copies are judged with purity by ``gene_copy_number``; what couldn't be judged there is NOT_EVALUABLE here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import records
from palbo_assets.resistance.mechanisms import Mechanism
from palbo_assets.resistance.state_rows import NO_COPY_NUMBER, StateRow
from palbo_assets.study.vocabulary import State

if TYPE_CHECKING:
    import pandas as pd

AMPLIFIED, DELETED, UNKNOWN = "AMPLIFICATION", "HOMOZYGOUS_DELETION", "NOT_EVALUABLE"
_LOST, _KEPT = "LOST", "KEPT"


class SecondHit(StrEnum):
    """What copy number adds to the mutations of a gene that needs two hits."""

    DELETED = "DELETED"  # both copies are gone, no mutation is needed
    LOST = "LOST"  # one parent's copies are gone: with one mutation none is left
    KEPT = "KEPT"  # both parents' copies are there
    COPIES_ONLY = "COPIES_ONLY"  # not deleted; whether one parent's copies are gone isn't known
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class GeneCopies:
    """A gene's row of ``gene_copy_number`` that speaks for a timepoint."""

    gene: str
    state: str
    heterozygosity: str
    copies: float | None
    lowest: float | None
    amplified_from: int | None
    reason: str

    @property
    def second_hit(self) -> SecondHit:
        if self.state == DELETED:
            return SecondHit.DELETED
        if self.heterozygosity == _LOST:
            return SecondHit.LOST
        if self.state == UNKNOWN:
            return SecondHit.UNKNOWN
        return SecondHit.KEPT if self.heterozygosity == _KEPT else SecondHit.COPIES_ONLY


class CopyEvidence:
    """Copies of genes by (timepoint, gene); of several specimens the one with the gravest event speaks."""

    def __init__(self, gene_copy_number: pd.DataFrame | None, genes: Collection[str], failed: Collection[str]) -> None:
        """``genes`` are those that mechanisms ask for, ``failed`` specimens that can't be used."""
        self._known: dict[tuple[str, str], GeneCopies] = {}
        if gene_copy_number is None:
            return
        for row in records(gene_copy_number[gene_copy_number["gene"].isin(list(genes))]):
            if row["specimen_id"] in failed:
                continue
            one, key = _of(row), (str(row["timepoint"]), str(row["gene"]))
            if key not in self._known or _gravity(one) > _gravity(self._known[key]):
                self._known[key] = one

    def of(self, timepoint: str, gene: str) -> GeneCopies | None:
        return self._known.get((timepoint, gene))

    def second_hit(self, mechanism: Mechanism, timepoint: str) -> SecondHit:
        found = self.of(timepoint, mechanism.genes[0])
        return SecondHit.UNKNOWN if found is None else found.second_hit


def _of(row: Mapping[str, Any]) -> GeneCopies:
    return GeneCopies(
        gene=str(row["gene"]),
        state=str(row["state"]),
        heterozygosity=str(row["heterozygosity"]),
        copies=row["copies"],
        lowest=row["min_exon_copies"],
        amplified_from=row["amplified_from"],
        reason=str(row["reason"] or ""),
    )


def _gravity(one: GeneCopies) -> tuple[bool, bool, bool]:
    return one.state in (DELETED, AMPLIFIED), one.heterozygosity == _LOST, one.state != UNKNOWN


def amplification_state(mechanism: Mechanism, nothing: StateRow, copies: CopyEvidence) -> StateRow:
    """State of an amplification in a tumour that was measured; ``nothing`` is its row without a state."""
    found = copies.of(nothing.timepoint, mechanism.genes[0])
    if found is None:
        return replace(nothing, reason=NO_COPY_NUMBER)
    if found.state == UNKNOWN:
        return replace(nothing, reason=found.reason)
    state = State.PRESENT if found.state == AMPLIFIED else State.ABSENT
    return replace(
        nothing,
        state=state,
        value=found.copies,
        unit="copies",
        threshold=found.amplified_from,
        evidence=f"{found.gene}:{found.state}" if state is State.PRESENT else "",
    )


def deletion_state(mechanism: Mechanism, nothing: StateRow, copies: CopyEvidence) -> StateRow:
    """A homozygous deletion, as PRESENT."""
    found = copies.of(nothing.timepoint, mechanism.genes[0])
    assert found is not None and found.state == DELETED
    return replace(
        nothing, state=State.PRESENT, value=found.lowest, unit="copies", evidence=f"{found.gene}:{found.state}"
    )
