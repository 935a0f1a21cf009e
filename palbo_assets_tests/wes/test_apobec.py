"""Cytosines that mutate at TCW more often than their surroundings offer it are seen, on either strand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.wes.apobec import Counts, agreement, count, enrichment, q_values
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()
GENOME = "".join(np.random.default_rng(1).choice(list("ACGT"), 20_000).tolist())
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def fetch_from(genome: str):  # type: ignore[no-untyped-def]
    return lambda contig, start, end: genome[start:end]


def naive(variants: list[tuple[str, int, str, str]], genome: str, flank: int) -> Counts:
    """The definition, base by base."""
    tcw = mutated = motifs = bases = 0
    for _, position, ref, alt in variants:
        if ref + alt not in ("CT", "CG", "GA", "GC"):
            continue
        at = position - 1
        motif = genome[at - 1 : at + 2]
        mutated += 1
        tcw += motif in ("TCA", "TCT", "AGA", "TGA")
        window = genome[at - flank : at + flank + 1]
        bases += sum(base in "CG" for base in window)
        motifs += sum(window[i : i + 3] in ("TCA", "TCT", "AGA", "TGA") for i in range(len(window)))
    return Counts(tcw, mutated, motifs, bases)


@given(st.lists(st.tuples(st.integers(100, 19_900), st.sampled_from("ACGT")), max_size=40))
def test_counts_are_those_of_the_definition(places: list[tuple[int, str]]) -> None:
    variants = [("1", at, GENOME[at - 1], alt) for at, alt in places if GENOME[at - 1] != alt]
    assert count(variants, fetch_from(GENOME), 20) == naive(variants, GENOME, 20)


def test_the_other_strand_counts_the_same() -> None:
    variants = [("1", at, "C", "T") for at in range(200, 1200) if GENOME[at - 1] == "C"]
    mirrored = GENOME.translate(COMPLEMENT)[::-1]
    other = [("1", len(GENOME) + 1 - at, "G", "A") for _, at, _, _ in variants]
    assert count(variants, fetch_from(GENOME), 20) == count(other, fetch_from(mirrored), 20)


def test_mutations_at_random_cytosines_are_not_enriched_and_those_at_tcw_are() -> None:
    cytosines = [at for at in range(100, 19_900) if GENOME[at - 1] == "C"]
    at_tcw = [at for at in cytosines if GENOME[at - 2] == "T" and GENOME[at] in "AT"]
    random = np.random.default_rng(2)
    everywhere = [("1", int(at), "C", "T") for at in random.choice(cytosines, 200, replace=False)]
    apobec = [("1", int(at), "C", "G") for at in random.choice(at_tcw, 40, replace=False)]
    quiet = enrichment(count(everywhere, fetch_from(GENOME), 20), SETTINGS)
    loud = enrichment(count([*everywhere[:40], *apobec], fetch_from(GENOME), 20), SETTINGS)
    assert quiet.fold == pytest.approx(1, abs=0.5) and (quiet.p_value or 0) > 0.01
    assert (loud.fold or 0) > 2 and (loud.p_value or 1) < 1e-4


def test_fold_is_the_published_formula() -> None:
    found = enrichment(Counts(30, 60, 100, 800), SETTINGS)
    assert found.fold == pytest.approx((30 / 60) / (100 / 800))


@pytest.mark.parametrize(
    ("counts", "reason"), [(Counts(5, 19, 40, 300), "FEW_MUTATIONS"), (Counts(0, 30, 0, 300), "NO_CONTEXT")]
)
def test_what_cannot_be_judged_has_a_reason_and_no_fold(counts: Counts, reason: str) -> None:
    found = enrichment(counts, SETTINGS)
    assert (found.fold, found.p_value, found.reason) == (None, None, reason)


def test_q_is_benjamini_and_hochbergs() -> None:
    assert q_values([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert len(q_values([])) == 0


def test_agreement_needs_both_opinions() -> None:
    assert agreement(True, True) == "both" and agreement(False, False) == "neither"
    assert agreement(True, False) == "refit_only" and agreement(False, True) == "enrichment_only"
    assert agreement(None, True) is None and agreement(True, None) is None
