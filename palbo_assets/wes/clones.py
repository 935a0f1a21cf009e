"""Clones of a patient: mutations whose cell fractions move together through all of the patient's tumours.

A mixture over mutations: every mutation of a clone has the clone's cell fraction in each tumour, and its reads follow a
beta-binomial around the share of reads that this fraction gives. What isn't known of a mutation's genotype is summed
over (`genotypes`; PyClone, Roth 2014, and PyClone-VI, Gillis 2020, do so too), but not as equally likely: how often
mutations sit on several copies, and how often copies are in part of the cells though no tool says so, is learnt from
all mutations together, else a clone's fraction would be off however many mutations it has. How much reads vary beyond
chance (the beta-binomial's precision) is learnt too. Fractions live on a grid, clones are fitted by expectation and
maximisation from several starts, and the Bayesian information criterion says how many there are (Schwarz 1978).

A clone's interval comes from the likelihood of all reads, along its fraction: each mutation counts as far as it may be
of another clone, and the curve is summed over what purity may be, each purity weighted by how well it explains all
clones of the tumour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palbo_assets.wes.cancer_cell_fraction import purities, shortest_interval
from palbo_assets.wes.genotypes import Copies, Genotype, genotypes
from palbo_assets.wes.read_likelihood import ReadLikelihood
from palbo_assets.wes.settings import Settings

Array = NDArray[np.float64]
Places = NDArray[np.int64]
GRID: Array = np.linspace(0.0, 1.0, 201)
_ROUNDS = 200
_SETTLED = 1e-6  # change of the log likelihood per mutation at which a fit stands
_LEAST = 1e-290  # likelihoods below are this: no read excludes a genotype for certain
# Kinds of genotypes (several copies mutated or one; copies in part of the cells, unsaid, or not) and how often they are
# before anything was learnt, as so many mutations: mutations on one copy, with copies as stated, are the rule.
_KINDS = 4
_USUAL: Array = np.array([0.55, 0.2, 0.15, 0.1])
_USUAL_COUNTS = 10.0
_IMPLAUSIBLE = 14.0  # of the criterion: a thousandth as probable
_PRECISIONS = (50.0, 100.0, 200.0, 500.0, 2000.0, 20000.0)  # pseudo-reads; the last one is nearly binomial


@dataclass(frozen=True)
class Tumour:
    """One tumour's counts at the patient's mutations, in the same order as in the other tumours, shape (n,).

    ``purity_sd`` is the standard deviation of ``purity``.
    """

    alt: Array
    depth: Array
    copies: Copies
    purity: float
    purity_sd: float = 0.0

    @cached_property
    def genotypes(self) -> list[Genotype]:
        return list(genotypes(self.copies, GRID))


@dataclass(frozen=True)
class Clones:
    """Clones by falling mean fraction.

    ``fraction``, ``low`` and ``high`` have shape (clones, tumours); ``membership`` (mutations, clones), rows sum to 1.
    ``criterion`` holds the information criterion of each number of clones that was tried, from one. ``precision`` is
    the beta-binomial's that explains the reads best.
    """

    fraction: Array
    low: Array
    high: Array
    membership: Array
    criterion: tuple[float, ...]
    precision: float

    @property
    def assigned(self) -> Places:
        """Most probable clone of each mutation, 0-based."""
        return self.membership.argmax(axis=1)


@dataclass(frozen=True)
class _Fit:
    """Clones' places on the grid (clones, tumours), their shares of the mutations, and the information criterion."""

    places: Places
    weights: Array
    criterion: float

    def in_order(self, likelihood: Array) -> _Fit:
        """By falling mean fraction, without clones of no mutation."""
        kept = np.flatnonzero(_membership(likelihood, self)[0].sum(axis=0) > 0.5)
        fraction = GRID[self.places[kept]]
        order = kept[np.lexsort((*fraction.T[::-1], fraction.mean(axis=1)))[::-1]]
        return _Fit(self.places[order], self.weights[order] / self.weights[order].sum(), self.criterion)


@dataclass(frozen=True)
class _Evidence:
    """One tumour's likelihoods by kind of genotype, (kinds, n, grid), and which kinds are possible there, 0 or 1."""

    of_kind: Array
    possible: Array

    def log_likelihood(self, frequencies: Array) -> Array:
        """Of each mutation at each fraction of `GRID`, shape (n, grid); ``frequencies`` are those of kinds."""
        weights = frequencies[:, None, None] * self.possible
        total = weights.sum(axis=0)
        found = (weights * self.of_kind).sum(axis=0) / np.maximum(total, 1e-12)
        return np.log(np.maximum(found, _LEAST))


def find_clones(tumours: list[Tumour], settings: Settings, seed: int) -> Clones:
    """Fit clones to the mutations of all tumours together.

    Raises
    ------
    ValueError
        Without tumours or mutations, or with a mutation that no copy of a tumour can carry.
    """
    if not tumours or not len(tumours[0].alt):
        raise ValueError("clones need tumours and mutations")
    random = np.random.default_rng(seed)
    precision, frequencies = settings.clone_precision, _USUAL
    likeliest = [one.purity for one in tumours]
    # What was learnt with the clones of the first search serves a second one.
    for last in (False, True):
        reads = [ReadLikelihood.of(one.alt, one.depth, precision) for one in tumours]
        evidence = [
            _evidence(one, its, purity, settings) for one, its, purity in zip(tumours, reads, likeliest, strict=True)
        ]
        fits = _search(_stacked(evidence, frequencies), settings, random)
        best = min(fits, key=lambda fit: fit.criterion)
        if not last:
            frequencies = _frequencies(evidence, best, frequencies)
            likelihood = _stacked(evidence, frequencies)
            likeliest = [
                _along_purity(at, tumours[at], reads[at], likelihood, [best], frequencies, settings)[1]
                for at in range(len(tumours))
            ]
            precision = _precision(tumours, likeliest, best, frequencies, settings)
    likelihood = _stacked(evidence, frequencies)
    best = best.in_order(likelihood)
    membership, _ = _membership(likelihood, best)
    low, high = np.empty(best.places.shape), np.empty(best.places.shape)
    plausible = [fit for fit in fits if fit.criterion < best.criterion + _IMPLAUSIBLE]
    for at, tumour in enumerate(tumours):
        posteriors, _ = _along_purity(at, tumour, reads[at], likelihood, plausible, frequencies, settings)
        low[:, at], high[:, at] = shortest_interval(
            _averaged(posteriors, plausible, likelihood, membership), settings.ccf_mass
        )
    fraction = GRID[best.places]
    return Clones(
        fraction,
        np.minimum(low, fraction),
        np.maximum(high, fraction),
        membership,
        tuple(fit.criterion for fit in fits),
        precision,
    )


def _evidence(tumour: Tumour, reads: ReadLikelihood, purity: float, settings: Settings) -> _Evidence:
    n = len(tumour.alt)
    summed, possible = np.zeros((_KINDS, n, len(GRID))), np.zeros((_KINDS, n, len(GRID)))
    for one in tumour.genotypes:
        kind = 2 * one.unsaid + one.several
        summed[kind, one.rows] += reads.at(one.rows, one.share_of_reads(purity, settings.ccf_error_rate)) * one.weight
        possible[kind, one.rows] += one.weight
    if not possible.any(axis=(0, 2)).all():
        raise ValueError("a mutation needs at least one copy in a tumour cell")
    return _Evidence(summed / np.maximum(possible, 1e-12), (possible > 0).astype(float))


def _stacked(evidence: list[_Evidence], frequencies: Array) -> Array:
    """Log likelihood, shape (mutations, tumours, grid)."""
    return np.stack([one.log_likelihood(frequencies) for one in evidence], axis=1)


def _search(likelihood: Array, settings: Settings, random: np.random.Generator) -> list[_Fit]:
    """The best fit of each number of clones, from one until more don't help."""
    found: list[_Fit] = []
    for number in range(1, min(settings.clone_max, len(likelihood)) + 1):
        starts = [_start(likelihood, number, random) for _ in range(settings.clone_starts)]
        found.append(min((_fit(likelihood, start) for start in starts), key=lambda fit: fit.criterion))
        if number >= int(np.argmin([fit.criterion for fit in found])) + 3:
            break  # two more clones didn't help, a further one won't
    return found


def _frequencies(evidence: list[_Evidence], fit: _Fit, usual: Array) -> Array:
    """How often each kind of genotype is, by expectation and maximisation with the clones as they are."""
    frequencies = usual
    for _ in range(30):
        membership, _ = _membership(_stacked(evidence, frequencies), fit)
        counts, chances = _USUAL_COUNTS * usual, np.full(_KINDS, _USUAL_COUNTS)
        for at, one in enumerate(evidence):
            of_kind, possible = one.of_kind[:, :, fit.places[:, at]], one.possible[:, :, fit.places[:, at]]
            joint = frequencies[:, None, None] * of_kind * possible
            shares = joint / np.maximum(joint.sum(axis=0), _LEAST) * membership
            open_ones = possible * (possible.sum(axis=0) > 1)  # a mutation with one possible kind teaches nothing
            counts = counts + (shares * open_ones).sum(axis=(1, 2))
            chances = chances + (open_ones * membership).sum(axis=(1, 2))
        new = counts / chances
        new /= new.sum()
        settled = np.abs(new - frequencies).max() < 1e-4
        frequencies = np.asarray(new)
        if settled:
            break
    return frequencies


def _precision(
    tumours: list[Tumour], likeliest: list[float], fit: _Fit, frequencies: Array, settings: Settings
) -> float:
    """The precision that explains the reads best with the clones as they are."""
    scores = {}
    for precision in _PRECISIONS:
        reads = [ReadLikelihood.of(one.alt, one.depth, precision) for one in tumours]
        evidence = [
            _evidence(one, its, purity, settings) for one, its, purity in zip(tumours, reads, likeliest, strict=True)
        ]
        scale = sum(float(its.scale.sum()) for its in reads)
        scores[precision] = _membership(_stacked(evidence, frequencies), fit)[1] + scale
    return max(scores, key=lambda one: scores[one])


def _start(likelihood: Array, number: int, random: np.random.Generator) -> Places:
    """Places on the grid (clones, tumours): mutations that the ones chosen before explain worst, by chance."""
    own = likelihood.argmax(axis=2)
    best = likelihood.max(axis=2).sum(axis=1)
    chosen = [int(random.integers(len(own)))]
    while len(chosen) < number:
        explained = _of_places(likelihood, own[chosen]).max(axis=1)
        unexplained = np.maximum(best - explained, 0) + 1e-9
        chosen.append(int(random.choice(len(own), p=unexplained / unexplained.sum())))
    return own[chosen]


def _of_places(likelihood: Array, places: Places) -> Array:
    """Log likelihood of each mutation in each clone, shape (mutations, clones)."""
    tumours = np.arange(likelihood.shape[1])
    return np.stack([likelihood[:, tumours, place].sum(axis=1) for place in places], axis=1)


def _joint(likelihood: Array, fit: _Fit) -> Array:
    return _of_places(likelihood, fit.places) + np.log(np.maximum(fit.weights, 1e-300))


def _membership(likelihood: Array, fit: _Fit) -> tuple[Array, float]:
    """Probability of each clone, rows sum to 1, and the log likelihood of all mutations."""
    joint = _joint(likelihood, fit)
    most = joint.max(axis=1, keepdims=True)
    shares = np.exp(joint - most)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, float((most + np.log(total)).sum())


def _fit(likelihood: Array, places: Places) -> _Fit:
    """Where expectation and maximisation settle."""
    n, tumours, steps = likelihood.shape
    flat = likelihood.reshape(n, tumours * steps)
    fit = _Fit(places, np.full(len(places), 1 / len(places)), np.inf)
    before = -np.inf
    for _ in range(_ROUNDS):
        membership, score = _membership(likelihood, fit)
        if score - before < _SETTLED * n:
            break
        before = score
        places = (membership.T @ flat).reshape(len(places), tumours, steps).argmax(axis=2)
        fit = _Fit(places, membership.mean(axis=0), np.inf)
    # A clone's fractions rest on its own mutations, so these are the sample that counts for them; no fraction costs
    # less than Akaike's 2, else a clone of a single mutation would be free.
    costs = np.maximum(np.log(np.maximum(fit.weights * n, 1.0)), 2.0)
    penalty = tumours * costs.sum() + (len(places) - 1) * np.log(n)
    return _Fit(fit.places, fit.weights, float(penalty - 2 * score))


def _along_purity(
    at: int,
    tumour: Tumour,
    reads: ReadLikelihood,
    likelihood: Array,
    fits: list[_Fit],
    frequencies: Array,
    settings: Settings,
) -> tuple[list[Array], float]:
    """Each fit's posterior of its clones' fractions in tumour ``at``, (clones, grid), and the likeliest purity."""
    places = [fit.places[:, at] for fit in fits]
    priors = [
        _of_places(np.delete(likelihood, at, axis=1), np.delete(fit.places, at, axis=1))
        + np.log(np.maximum(fit.weights, 1e-300))
        for fit in fits
    ]
    curves: list[list[Array]] = [[] for _ in fits]
    scores: dict[float, float] = {}
    for purity, probability in purities(tumour.purity, tumour.purity_sd):
        own = _evidence(tumour, reads, purity, settings).log_likelihood(frequencies)
        for number, prior in enumerate(priors):
            moved = _moved(own, prior, places[number])
            joint = prior + own[:, moved]
            curve = np.empty((len(moved), len(GRID)))
            for clone in range(len(moved)):
                rest = np.logaddexp.reduce(np.delete(joint, clone, axis=1), axis=1, initial=-np.inf)
                curve[clone] = np.logaddexp(rest[:, None], prior[:, clone, None] + own).sum(axis=0)
            curves[number].append(curve + np.log(probability))
            if not number:
                score = float(np.logaddexp.reduce(joint, axis=1).sum() + np.log(probability))
                scores[purity] = max(score, scores.get(purity, -np.inf))
    posteriors = []
    for found in curves:
        summed = np.logaddexp.reduce(np.stack(found), axis=0)
        posterior = np.exp(summed - summed.max(axis=1, keepdims=True))
        posteriors.append(posterior / posterior.sum(axis=1, keepdims=True))
    return posteriors, max(scores, key=lambda one: scores[one])


def _moved(own: Array, prior: Array, places: Places) -> Places:
    """Where another purity of this tumour puts its clones; ``prior`` (mutations, clones) is what the others say."""
    for _ in range(5):
        joint = prior + own[:, places]
        membership = np.exp(joint - joint.max(axis=1, keepdims=True))
        membership /= membership.sum(axis=1, keepdims=True)
        moved = (membership.T @ own).argmax(axis=1)
        if (moved == places).all():
            break
        places = moved
    return places


def _averaged(posteriors: list[Array], fits: list[_Fit], likelihood: Array, membership: Array) -> Array:
    """Posterior of each clone over all plausible numbers of clones, (clones, grid): where its mutations are in each."""
    criteria = np.array([fit.criterion for fit in fits])
    weights = np.exp(-(criteria - criteria.min()) / 2)
    weights /= weights.sum()
    averaged = np.zeros((membership.shape[1], len(GRID)))
    for weight, fit, posterior in zip(weights, fits, posteriors, strict=True):
        together = membership.T @ _membership(likelihood, fit)[0]
        averaged += weight * (together / together.sum(axis=1, keepdims=True)) @ posterior
    return averaged
