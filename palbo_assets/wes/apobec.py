"""Enrichment of cytosine mutations at TCW, the motif of APOBEC3, over what the bases around them offer (Roberts 2013).

It asks nothing of signatures, so it is a second opinion on their refit. Mutations are C>T and C>G, and their
complements on the other strand; the context is every base within 20 bp of them. A one-sided Fisher test compares
mutated with offered motifs; Benjamini and Hochberg's q is taken over the specimens of a study.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palbo_assets.wes.settings import Settings
from palbo_assets.wes.trinucleotides import COMPLEMENT, Fetch, Substitution

if TYPE_CHECKING:
    import numpy as np

_TCW = re.compile(r"(?=TC[AT])")
_WGA = re.compile(r"(?=[AT]GA)")


@dataclass(frozen=True)
class Counts:
    """Mutations and bases around them: ``tcw`` of all ``c``, either strand."""

    tcw_mutations: int
    c_mutations: int
    tcw_context: int
    c_context: int


@dataclass(frozen=True)
class Enrichment:
    """``fold`` over what the context offers and one-sided ``p_value``; None with a reason below the minimum."""

    counts: Counts
    fold: float | None
    p_value: float | None
    reason: str | None


def count(variants: Iterable[Substitution], fetch: Fetch, flank: int) -> Counts:
    """Counts over (contig, 1-based position, ref, alt); other than C>T and C>G on either strand is left out.

    ``fetch(contig, start, end)`` gives bases, 0-based and half open; ``flank`` in bp on each side.
    """
    tcw = cytosines = tcw_around = c_around = 0
    for contig, position, ref, alt in variants:
        ref, alt = ref.upper(), alt.upper()
        if (ref, alt) not in (("C", "T"), ("C", "G"), ("G", "A"), ("G", "C")):
            continue
        start = max(position - 1 - flank, 0)
        around = fetch(contig, start, position + flank).upper()
        at = position - 1 - start
        motif = around[max(at - 1, 0) : at + 2]
        if len(motif) < 3 or motif[1] != ref:  # a contig's end; wrong references are the spectrum's to refuse
            continue
        if ref == "G":
            motif = motif.translate(COMPLEMENT)[::-1]
        cytosines += 1
        tcw += motif[0] == "T" and motif[2] in "AT"
        c_around += around.count("C") + around.count("G")
        tcw_around += len(_TCW.findall(around)) + len(_WGA.findall(around))
    return Counts(tcw, cytosines, tcw_around, c_around)


def enrichment(counts: Counts, settings: Settings) -> Enrichment:
    """Fold and p of one spectrum; ``FEW_MUTATIONS`` below ``apobec_min_mutations`` mutated cytosines."""
    from scipy.stats import fisher_exact

    if counts.c_mutations < settings.apobec_min_mutations:
        return Enrichment(counts, None, None, "FEW_MUTATIONS")
    if not counts.tcw_context:
        return Enrichment(counts, None, None, "NO_CONTEXT")
    fold = counts.tcw_mutations * counts.c_context / (counts.c_mutations * counts.tcw_context)
    table = [
        [counts.tcw_mutations, counts.c_mutations - counts.tcw_mutations],
        [counts.tcw_context, counts.c_context - counts.tcw_context],
    ]
    return Enrichment(counts, fold, float(fisher_exact(table, alternative="greater").pvalue), None)


def q_values(p_values: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg's q, in the order given."""
    import numpy as np
    from scipy.stats import false_discovery_control

    return false_discovery_control(p_values) if len(p_values) else np.array([])


def agreement(refit_says: bool | None, enrichment_says: bool | None) -> str | None:
    """What the two opinions say together; None where one of them has none."""
    if refit_says is None or enrichment_says is None:
        return None
    return {(True, True): "both", (False, False): "neither", (True, False): "refit_only"}.get(
        (refit_says, enrichment_says), "enrichment_only"
    )
