"""Whose sample is it? Every sequenced sample against every other at common SNPs, by likelihood.

For each SNP and sample: how probable are its reads if the person is homozygous for the reference, heterozygous, or
homozygous for the alternative? A person's blood shows heterozygous SNPs near one half; a tumour with allelic
imbalance, a plasma with much tumour DNA and RNA with one allele expressed show any fraction, so those say little about
a heterozygous person and never mistake lost heterozygosity for another genotype. Two samples are compared by the log10
likelihood ratio of "one person" against "two unrelated people". Few reads say little and so weigh little: no depth
limit is needed. The idea is that of NGSCheckMate and Conpair; the beta-binomial form is this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SELF, SWAP, UNEXPECTED, NO_MATCH, NOT_EVALUABLE = "self_match", "swap", "unexpected_match", "no_match", "not_evaluable"
BLOOD, RNA = "blood", "rna"
_CHUNK = 8  # SNPs whose ratios are multiplied before one logarithm is taken: far from the limits of float64


@dataclass(frozen=True)
class Sample:
    """One sequenced sample as it is labelled. ``kind``: blood, tumour, plasma or rna."""

    patient_id: str
    timepoint: str
    specimen_id: str
    kind: str


@dataclass(frozen=True)
class Pairs:
    """Symmetric comparisons of n samples, each (n, n).

    ``score``: log10 likelihood ratio of one person against two. ``n_sites``: SNPs deep enough in both.
    ``n_homozygous``: those homozygous in both. ``concordance``: share of ``n_homozygous`` with the same allele (NaN
    without any). ``relatedness``: 1 - opposite homozygotes / their number between unrelated people at the same SNPs:
    1 for one person, 0 for strangers (NaN without sites).
    """

    score: np.ndarray
    n_sites: np.ndarray
    n_homozygous: np.ndarray
    concordance: np.ndarray
    relatedness: np.ndarray


@dataclass(frozen=True)
class Match:
    """What the comparison says of one sample.

    ``best``: index of the sample it matches best, None without an evaluable one. ``margin``: score of the best matching
    patient minus that of the next. ``likely_partner``: the patient it seems to come from when that isn't its own.
    ``partner``: index of that patient's sample that seems to be this patient's, where there is one.
    """

    verdict: str
    best: int | None = None
    own_score: float | None = None
    margin: float | None = None
    likely_partner: str = ""
    partner: int | None = None
    compared: int = field(default=0)


def genotype_likelihoods(
    alt: np.ndarray,
    depth: np.ndarray,
    sharp: np.ndarray,
    misleading: np.ndarray | float = 0.0,
    *,
    error: float,
    error_spread: float,
    sharpness: float,
) -> np.ndarray:
    """P(reads | genotype) up to a factor: (n, s, 3) float64 for 0, 1, 2 alternative alleles.

    Parameters
    ----------
    alt, depth
        (n, s) counts of fragments.
    sharp
        (n,) bool: samples whose heterozygous SNPs lie near one half (blood); others may show any fraction.
    misleading
        (n,) share of a sample's SNPs whose reads say nothing of the genome (RNA: edited, expressed from one allele,
        aligned to a copy of the gene). There any fraction is as likely under each genotype.
    error
        Share of fragments with the other allele at a homozygous SNP: errors and a trace of foreign DNA.
    error_spread, sharpness
        Pseudo-counts of the beta distributions of the homozygous and of the blood's heterozygous fraction.
    """
    from scipy.special import betaln

    alt, ref = alt.astype(float), (depth - alt).astype(float)

    def beta_binomial(a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
        found: np.ndarray = betaln(alt + a, ref + b) - betaln(a, b)
        return found

    low, high = error * error_spread, (1 - error) * error_spread
    middle = np.where(sharp, sharpness, 1.0)[:, None]
    logs = np.stack([beta_binomial(low, high), beta_binomial(middle, middle), beta_binomial(high, low)], axis=-1)
    share = np.broadcast_to(np.asarray(misleading, dtype=float), len(alt))[:, None, None]
    with np.errstate(divide="ignore"):
        logs = np.logaddexp(np.log1p(-share) + logs, np.log(share) + beta_binomial(1.0, 1.0)[..., None])
    likelihoods: np.ndarray = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return likelihoods


def compare_all(
    likelihoods: np.ndarray, depth: np.ndarray, frequency: np.ndarray, *, min_depth: int, homozygous: float
) -> Pairs:
    """Every pair of samples.

    Parameters
    ----------
    likelihoods
        (n, s, 3) of `genotype_likelihoods`.
    frequency
        (s,) alternative allele frequency in the population.
    min_depth
        Fragments from which a SNP is counted in ``n_sites`` (the score needs no limit).
    homozygous
        Share of the three likelihoods from which a SNP counts as homozygous in a sample.
    """
    n = len(likelihoods)
    prior = np.stack([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2], axis=-1)  # Hardy-Weinberg
    total = (likelihoods * prior).sum(axis=-1, keepdims=True)
    relative = likelihoods / total
    weighted = np.ascontiguousarray((relative * prior).transpose(2, 0, 1))
    plain = np.ascontiguousarray(relative.transpose(2, 0, 1))
    score = np.zeros((n, n))
    for first in range(n - 1):
        rest = plain[:, first + 1 :]
        ratio = weighted[0, first] * rest[0] + weighted[1, first] * rest[1] + weighted[2, first] * rest[2]
        score[first, first + 1 :] = _sum_of_logs(ratio)
    score = score + score.T
    deep = (depth >= min_depth).astype(np.float32)
    # Without the prior: with it, rarer homozygotes would be called less often and strangers would look related.
    share = likelihoods / likelihoods.sum(axis=-1, keepdims=True)
    ref_ref = ((share[..., 0] >= homozygous) * deep).astype(np.float32)
    alt_alt = ((share[..., 2] >= homozygous) * deep).astype(np.float32)
    opposite = ref_ref @ alt_alt.T + alt_alt @ ref_ref.T
    same = ref_ref @ ref_ref.T + alt_alt @ alt_alt.T
    either = same + opposite
    # Between strangers: of two homozygotes, the share of opposite ones that the frequencies give.
    both = (1 - frequency) ** 4 + frequency**4 + 2 * ((1 - frequency) * frequency) ** 2
    by_chance = np.divide(2 * ((1 - frequency) * frequency) ** 2, both, out=np.zeros_like(both), where=both > 0)
    any_homozygous = ref_ref + alt_alt
    expected = (any_homozygous * by_chance.astype(np.float32)) @ any_homozygous.T
    with np.errstate(invalid="ignore", divide="ignore"):
        concordance = np.where(either > 0, same / either, np.nan)
        relatedness = np.where(expected > 0, 1 - opposite / expected, np.nan)
    n_sites = deep @ deep.T
    return Pairs(score, n_sites.astype(int), either.astype(int), concordance, relatedness)


def _sum_of_logs(ratio: np.ndarray) -> np.ndarray:
    """log10 of the product along the last axis, taking one logarithm for several factors."""
    rows, sites = ratio.shape
    whole = sites - sites % _CHUNK
    found = np.zeros(rows)
    if whole:
        found += np.log10(ratio[:, :whole].reshape(rows, -1, _CHUNK).prod(axis=-1)).sum(axis=-1)
    return np.asarray(found + np.log10(ratio[:, whole:]).sum(axis=-1))


def compare_pair_plain(
    alt: Sequence[Sequence[int]],
    depth: Sequence[Sequence[int]],
    sharp: Sequence[bool],
    frequency: Sequence[float],
    *,
    error: float,
    error_spread: float,
    sharpness: float,
    misleading: Sequence[float] = (0.0, 0.0),
) -> float:
    """The score of two samples, SNP by SNP in plain Python: the readable twin of the arrays above."""
    from math import exp, lgamma, log10

    def betaln(a: float, b: float) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    score = 0.0
    for site, f in enumerate(frequency):
        prior = ((1 - f) ** 2, 2 * f * (1 - f), f**2)
        both = []
        for sample in (0, 1):
            k, n = alt[sample][site], depth[sample][site]
            middle = sharpness if sharp[sample] else 1.0
            shapes = ((error, 1 - error), (middle / error_spread,) * 2, (1 - error, error))
            said = [
                exp(betaln(k + a * error_spread, n - k + b * error_spread) - betaln(a * error_spread, b * error_spread))
                for a, b in shapes
            ]
            anything = exp(betaln(k + 1, n - k + 1))
            both.append([(1 - misleading[sample]) * one + misleading[sample] * anything for one in said])
        one = sum(p * x * y for p, x, y in zip(prior, *both, strict=True))
        alone = [sum(p * x for p, x in zip(prior, likelihood, strict=True)) for likelihood in both]
        score += log10(one / (alone[0] * alone[1]))
    return score


def cohort_frequency(alt: np.ndarray, depth: np.ndarray, members: np.ndarray) -> np.ndarray:
    """(s,) allele frequency from the cohort's own ``members`` ((n,) bool), drawn towards one half (5 pseudo-people)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(depth > 0, alt / depth, np.nan)[members]
    seen = np.isfinite(fraction).sum(axis=0)
    return np.asarray((np.nansum(fraction, axis=0) + 2.5) / (seen + 5.0))


def judge(
    samples: Sequence[Sample],
    pairs: Pairs,
    *,
    min_sites: int,
    min_score: float,
    min_concordance: float,
    min_rna_concordance: float,
) -> list[Match]:
    """The verdict on every sample.

    Of a patient's samples the largest group of one person is the patient; of equally large ones, that with the blood.
    What stands outside and matches another patient's group is a swap. A group that matches another patient's group is
    an unexpected match on both sides: one person under two ids, or everything of a patient mislabelled.

    Parameters
    ----------
    min_sites
        SNPs deep enough in both samples, below which a pair isn't judged.
    min_score, min_concordance
        What one person's samples reach: log10 likelihood ratio, and share of equal homozygotes.
    min_rna_concordance
        The same share where one of the two is RNA: a heterozygous SNP expressed from one allele looks homozygous.
    """
    evaluable = pairs.n_sites >= min_sites
    of_rna = np.array([sample.kind == RNA for sample in samples], dtype=bool)
    least = np.where(of_rna[:, None] | of_rna, min_rna_concordance, min_concordance)
    with np.errstate(invalid="ignore"):
        one_person = evaluable & (pairs.score >= min_score) & ~(pairs.concordance < least)
    np.fill_diagonal(one_person, False)
    np.fill_diagonal(evaluable, False)
    patients: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        patients.setdefault(sample.patient_id, []).append(index)
    cores = {patient: _core(samples, members, one_person) for patient, members in patients.items()}
    core_of = {index: patient for patient, core in cores.items() for index in core}
    return [
        _judge_one(index, samples, pairs, one_person, evaluable, patients, cores, core_of)
        for index in range(len(samples))
    ]


def _core(samples: Sequence[Sample], members: Sequence[int], one_person: np.ndarray) -> frozenset[int]:
    """The largest connected group; of equal ones that with the blood, then the one that begins first."""
    left = list(members)
    groups: list[set[int]] = []
    while left:
        group, edge = {left[0]}, [left[0]]
        while edge:
            here = edge.pop()
            near = [other for other in left if other not in group and one_person[here, other]]
            group.update(near)
            edge += near
        groups.append(group)
        left = [index for index in left if index not in group]

    def rank(group: set[int]) -> tuple[int, bool, int]:
        return len(group), any(samples[i].kind == BLOOD for i in group), -min(group)

    largest = max(groups, key=rank)
    return frozenset(largest)


def _judge_one(
    index: int,
    samples: Sequence[Sample],
    pairs: Pairs,
    one_person: np.ndarray,
    evaluable: np.ndarray,
    patients: dict[str, list[int]],
    cores: dict[str, frozenset[int]],
    core_of: dict[int, str],
) -> Match:
    me = samples[index].patient_id
    others = [int(other) for other in np.nonzero(evaluable[index])[0]]
    if not others:
        return Match(NOT_EVALUABLE)
    best = others[int(np.argmax(pairs.score[index, others]))]
    best_of: dict[str, float] = {}
    for other in others:
        patient = samples[other].patient_id
        best_of[patient] = max(best_of.get(patient, -np.inf), float(pairs.score[index, other]))
    ranked = sorted(best_of.values(), reverse=True)
    margin = ranked[0] - ranked[1] if len(ranked) > 1 else None
    about = {"best": best, "own_score": best_of.get(me), "margin": margin, "compared": len(others)}
    matched = [int(other) for other in np.nonzero(one_person[index])[0]]
    elsewhere = [other for other in matched if core_of.get(other, me) != me]
    elsewhere.sort(key=lambda other: -float(pairs.score[index, other]))
    mine = cores[me]
    in_core = index in mine
    if elsewhere:
        whose = core_of[elsewhere[0]]
        told = {**about, "likely_partner": whose}
        # Alone under its id it could as well be a second id of one person as somebody else's sample.
        if in_core:
            return Match(UNEXPECTED, **told)  # type: ignore[arg-type]
        crossed = [
            other for other in patients[whose] if other not in cores[whose] and any(one_person[other, i] for i in mine)
        ]
        return Match(SWAP, partner=crossed[0] if crossed else None, **told)  # type: ignore[arg-type]
    if not any(evaluable[index, other] for other in patients[me]):
        return Match(NOT_EVALUABLE, **about)  # type: ignore[arg-type]
    if in_core:
        return Match(SELF if len(mine) > 1 else _alone(index, samples, patients[me], one_person), **about)  # type: ignore[arg-type]
    if not any(evaluable[index, other] for other in mine):
        return Match(NOT_EVALUABLE, **about)  # type: ignore[arg-type]
    return Match(NO_MATCH, **about)  # type: ignore[arg-type]


def _alone(index: int, samples: Sequence[Sample], own: Sequence[int], one_person: np.ndarray) -> str:
    """A group of one that no other sample of the patient supports: blood is believed, all else isn't judged."""
    return SELF if samples[index].kind == BLOOD else NOT_EVALUABLE
