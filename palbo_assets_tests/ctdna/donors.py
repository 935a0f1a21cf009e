"""Plasmas with planted error rates, as counts: healthy donors, and patients whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from palbo_assets.ctdna.background import context_of, kind_of
from palbo_assets.ctdna.molecules import Indel, MoleculeCounts, RegionCounts

LETTERS = "ACGT"
RATES = {"C>A": 3e-5, "C>G": 1e-5, "C>T": 4e-5, "T>A": 1e-5, "T>C": 2e-5, "T>G": 1e-5}
DELETIONS = {4: 1e-4, 5: 4e-4, 6: 1.5e-3}  # per molecule, by the length of the homopolymer; 1e-5 elsewhere
INSERTIONS = {length: rate / 2 for length, rate in DELETIONS.items()}  # of one more base of it; 5e-6 elsewhere


@dataclass(frozen=True)
class Truth:
    """Reference bases of one region and the chance of each wrong base, (4, length)."""

    reference: str
    rates: np.ndarray
    deletions: np.ndarray  # of one base behind each anchor
    insertions: np.ndarray = field(default_factory=lambda: np.zeros(0))  # of that base once more; none if empty

    @classmethod
    def drawn(
        cls, length: int, seed: int, *, contexts: Mapping[str, float] | None = None, spread: float = 0.0
    ) -> Truth:
        """Random bases; ``contexts`` override a kind's rate; sites vary around it with log-normal ``spread``."""
        rng = np.random.default_rng(seed)
        reference = "".join(LETTERS[code] for code in rng.integers(0, 4, size=length))
        rates = np.zeros((4, length))
        deletions = np.zeros(length)
        for at, ref in enumerate(reference):
            for code, alt in enumerate(LETTERS):
                if alt != ref:
                    usual = RATES[kind_of(ref, alt)]
                    rates[code, at] = (contexts or {}).get(context_of(reference, at, ref, alt), usual)
            run = context_of(reference, at, ref, "del").partition(":")[2]
            deletions[at] = 0.0 if run in ("", "0") else DELETIONS.get(min(int(run), 6), 1e-5)
        rates *= np.exp(rng.normal(-(spread**2) / 2, spread, size=rates.shape))
        return cls(reference, rates, deletions)

    def with_insertions(self) -> Truth:
        """And the base behind an anchor doubled by error: as often as deletions by run, times a half."""
        insertions = np.zeros(len(self.reference))
        for at in np.flatnonzero(self.deletions):
            run = int(context_of(self.reference, int(at), self.reference[at], "ins").partition(":")[2])
            insertions[at] = INSERTIONS.get(min(run, 6), 5e-6)
        return replace(self, insertions=insertions)

    def plasma(
        self,
        depth: int,
        rng: np.random.Generator,
        *,
        alleles: Mapping[tuple[int, str], float] | None = None,
        library_spread: float = 0.0,
        events: Mapping[tuple[int, str], float] | None = None,
    ) -> MoleculeCounts:
        """Errors, and ``alleles`` by (offset, wrong base) at their fractions, in ``depth`` molecules, half a strand.

        ``events``: insertions and deletions by (offset of the anchor, VCF alternative allele); a deletion is one of the
        base behind it, and its molecules add to the errors there.
        """
        length = len(self.reference)
        rates = self.rates * np.exp(rng.normal(-(library_spread**2) / 2, library_spread))
        for (at, alt), fraction in (alleles or {}).items():
            rates[LETTERS.index(alt), at] += fraction
        counts = np.zeros((2, 6, length), dtype=np.int64)
        own = np.array([LETTERS.index(ref) for ref in self.reference])
        for strand in (0, 1):
            counts[strand, :4] = rng.binomial(depth // 2, rates)
            wrong = counts[strand, :4].sum(axis=0)
            counts[strand, own, np.arange(length)] += depth // 2 - wrong
        lost = self.deletions.copy()
        gained = {}
        for (at, alt), fraction in (events or {}).items():
            if len(alt) == 1:
                lost[at] += fraction
            else:
                gained[Indel("chr1", at + 1, self.reference[at], alt)] = fraction
        indels = {}
        for at in np.flatnonzero(lost):
            forward, reverse = rng.binomial(depth // 2, lost[at], size=2)
            if forward + reverse:
                pair = self.reference[at : at + 2]
                indels[Indel("chr1", int(at) + 1, pair, pair[0])] = (int(forward), int(reverse))
        for at in np.flatnonzero(self.insertions):
            anchor, doubled = self.reference[at], self.reference[at + 1]
            event = Indel("chr1", int(at) + 1, anchor, anchor + doubled)
            gained[event] = gained.get(event, 0.0) + float(self.insertions[at])
        for event, fraction in gained.items():
            forward, reverse = rng.binomial(depth // 2, fraction, size=2)
            if forward + reverse:
                indels[event] = (int(forward), int(reverse))
        region = RegionCounts("chr1", 0, length, self.reference, counts)
        return MoleculeCounts((region,), indels, 2 * depth, 2 * depth, 2 * depth, None, None)
