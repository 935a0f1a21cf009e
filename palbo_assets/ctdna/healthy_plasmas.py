"""The background of a panel version from healthy plasmas: error rates of each allele at each base of the panel.

Three levels, each the prior of the next (empirical Bayes by moments: Kleinman 1973, J Am Stat Assoc): the kind of
error; its context (trinucleotide of a substitution, homopolymer behind an indel's anchor); the site. Sites that their
context can't explain are noisy and stand alone, so they neither are shrunk away nor widen the clean ones. What varies
from plasma to plasma stays in the distribution: much depth in the donors doesn't make the next plasma's rate surer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from palbo_assets.ctdna.background import (
    DELETION,
    HEALTHY_PLASMA,
    INSERTION,
    KINDS,
    Background,
    bounded,
    concentration,
    context_of,
    kind_of,
    spread,
)
from palbo_assets.ctdna.consensus_reads import BASES
from palbo_assets.ctdna.molecules import MoleculeCounts
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

KIND, CONTEXT, SITE = "kind", "context", "site"
_ROUNDS = 20


@dataclass(frozen=True)
class _Errors:
    """What donors show of one kind of error: ``alt`` and ``depth`` are (donors, sites) molecules.

    ``places``: (chrom, 1-based pos, ref, alt) of each site; an indel's alleles are the anchor and the kind.
    """

    kind: str
    places: list[tuple[str, int, str, str]]
    contexts: list[str]
    alt: NDArray[np.float64]
    depth: NDArray[np.float64]


def fit_background(plasmas: Sequence[MoleculeCounts], settings: Settings) -> pd.DataFrame:
    """Beta distributions of the error rate per kind, context and site from plasmas of healthy donors on one panel.

    Returns
    -------
    DataFrame
        One row per kind, context and panel base x allele: ``level, element, chrom, pos, ref, alt, alpha, beta`` (errors
        per molecule), ``errors, molecules`` (over all donors), ``noisy`` (a site that its context doesn't explain).

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the plasmas were counted on different panels.
    """
    import pandas as pd

    shown = [[(one.chrom, one.start, one.end, one.reference) for one in plasma.regions] for plasma in plasmas]
    if any(places != shown[0] for places in shown):
        raise InputError("E_SCHEMA", "the plasmas were counted on different panels", fix="give plasmas of one version")
    frames = [pd.DataFrame(_fitted(_errors(plasmas, kind), settings)) for kind in KINDS]
    return pd.concat(frames, ignore_index=True).sort_values("level", kind="stable", ignore_index=True)


def background_from(rows: pd.DataFrame) -> Background:
    """The background that rows of `fit_background` describe."""
    levels: dict[str, dict[str, tuple[float, float]]] = {}
    for level in (KIND, CONTEXT):
        here = rows[rows["level"] == level]
        levels[level] = dict(zip(here["element"], zip(here["alpha"], here["beta"], strict=True), strict=True))
    here = rows[rows["level"] == SITE]
    places = zip(here["chrom"], here["pos"].astype(int), here["ref"], here["alt"], strict=True)
    sites = dict(zip(places, zip(here["alpha"], here["beta"], strict=True), strict=True))
    return Background(levels[KIND], HEALTHY_PLASMA, levels[CONTEXT], sites)


def fingerprint(rows: pd.DataFrame, panel_version: str, bed_sha256: str) -> str:
    """SHA-256 over panel version, its BED and every parameter to nine digits: names the background in each call."""
    digest = sha256(f"{panel_version}\n{bed_sha256}\n".encode())
    for element, alpha, beta in sorted(zip(rows["element"], rows["alpha"], rows["beta"], strict=True)):
        digest.update(f"{element} {alpha:.9g} {beta:.9g}\n".encode())
    return digest.hexdigest()


def _errors(plasmas: Sequence[MoleculeCounts], kind: str) -> _Errors:
    import numpy as np

    places: list[tuple[str, int, str, str]] = []
    contexts: list[str] = []
    alts: list[NDArray[np.int64]] = []
    depths: list[NDArray[np.int64]] = []
    for index, region in enumerate(plasmas[0].regions):
        depth = np.stack([plasma.regions[index].depth for plasma in plasmas])
        votes = np.stack([plasma.regions[index].counts[:, :4].sum(axis=0) for plasma in plasmas])
        indels = _indels(plasmas, index, kind) if kind in (INSERTION, DELETION) else None
        for at, ref in enumerate(region.reference):
            if ref not in BASES:
                continue
            substitutes = (alt for alt in BASES if alt != ref and kind_of(ref, alt) == kind)
            for alt in substitutes if indels is None else [kind]:
                places.append((region.chrom, region.start + at + 1, ref, alt))
                contexts.append(context_of(region.reference, at, ref, alt))
                alts.append(indels[:, at] if indels is not None else votes[:, BASES.index(alt), at])
                depths.append(depth[:, at])
    shape = (len(plasmas), 0)
    return _Errors(
        kind, places, contexts,
        np.stack(alts, axis=1).astype(float) if alts else np.zeros(shape),
        np.stack(depths, axis=1).astype(float) if depths else np.zeros(shape),
    )  # fmt: skip


def _indels(plasmas: Sequence[MoleculeCounts], index: int, kind: str) -> NDArray[np.int64]:
    """Molecules with an event of the kind at each anchor of a region, (donors, bases)."""
    import numpy as np

    region = plasmas[0].regions[index]
    seen = np.zeros((len(plasmas), region.end - region.start), dtype=np.int64)
    for donor, plasma in enumerate(plasmas):
        for event, strands in plasma.indels.items():
            inside = event.chrom == region.chrom and region.start < event.pos <= region.end
            if inside and kind_of(event.ref, event.alt) == kind:
                seen[donor, event.pos - 1 - region.start] += sum(strands)
    return seen


def without_own_variants(
    alt: NDArray[np.float64], depth: NDArray[np.float64], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(donors, sites) counts in which a donor's own variants are no evidence: neither molecules nor errors.

    A variant is what exceeds ``variant_free_vaf`` (germline), or what the other donors make improbable
    (``donor_variant_p``) while fewer than half of them show the allele at all (a clone of blood cells).
    """
    import numpy as np
    from scipy.stats import nbinom

    own = alt > settings.variant_free_vaf * depth
    kept_alt, kept_depth = np.where(own, 0.0, alt), np.where(own, 0.0, depth)
    donors, sites = np.nonzero((alt >= settings.min_alt_de_novo) & ~own)
    errors = kept_alt.sum(axis=0)[sites] - alt[donors, sites] + 0.5
    molecules = kept_depth.sum(axis=0)[sites] - depth[donors, sites] + 1.0
    # Errors are rare: the beta-binomial of the next donor is a negative binomial.
    p = nbinom.sf(alt[donors, sites] - 1, errors, molecules / (molecules + depth[donors, sites]))
    showing = (kept_alt > 0).sum(axis=0)[sites] - 1
    strange = (p < settings.donor_variant_p) & (showing < (len(alt) - 1) / 2)
    kept_alt[donors[strange], sites[strange]] = kept_depth[donors[strange], sites[strange]] = 0.0
    return kept_alt, kept_depth


def _fitted(shown: _Errors, settings: Settings) -> Iterator[dict[str, object]]:
    """Rows of one kind: the kind's, its contexts' and its sites'."""
    import numpy as np

    if not shown.places:
        alpha, beta = bounded(settings.error_floor, settings.concentration_cap, settings)
        yield _row(KIND, shown.kind, alpha, beta, 0, 0)
        return
    alt, depth = without_own_variants(shown.alt, shown.depth, settings)
    errors, molecules = alt.sum(axis=0), depth.sum(axis=0)
    names = sorted(set(shown.contexts))
    number = {name: place for place, name in enumerate(names)}
    group = np.array([number[name] for name in shown.contexts])
    explained, of_context, of_sites = _explained(errors, molecules, group, settings)
    mean = of_context[group]
    between_sites = concentration(of_sites, np.maximum(of_context, settings.error_floor), settings)
    # An explained site is drawn to its context; a noisy one keeps to its own counts (Jeffreys' prior).
    prior = np.where(explained, between_sites[group], 1.0)
    of_site = (errors + np.where(explained, mean * prior, 0.5)) / (molecules + prior)
    of_plasmas = spread(alt[:, explained], depth[:, explained], of_site[explained], settings)
    wider = np.full(errors.size, of_plasmas)
    for noisy in np.flatnonzero(~explained):
        wider[noisy] = max(spread(alt[:, noisy], depth[:, noisy], of_site[noisy], settings), of_plasmas)
    between_plasmas = concentration(wider, np.maximum(of_site, settings.error_floor), settings)
    rate = (errors[explained].sum() + 0.5) / (molecules[explained].sum() + 1.0)
    over_all = spread(errors[explained], molecules[explained], rate, settings)
    alpha, beta = bounded(float(rate), float(concentration(over_all + of_plasmas, rate, settings)), settings)
    yield _row(KIND, shown.kind, alpha, beta, errors.sum(), molecules.sum())
    for index, name in enumerate(names):
        if name:
            own = max(float(of_context[index]), settings.error_floor)
            alpha, beta = bounded(own, float(concentration(of_sites + of_plasmas, own, settings)), settings)
            here = group == index
            yield _row(CONTEXT, name, alpha, beta, errors[here].sum(), molecules[here].sum())
    for index, place in enumerate(shown.places):
        sure = _joined(float(prior[index] + molecules[index]), float(between_plasmas[index]))
        alpha, beta = bounded(float(of_site[index]), sure, settings)
        element = f"{place[0]}:{place[1]}:{place[2]}>{place[3]}"
        yield _row(SITE, element, alpha, beta, errors[index], molecules[index], place, noisy=not explained[index])


def _row(
    level: str, element: str, alpha: float, beta: float, errors: float, molecules: float,
    place: tuple[str | None, int | None, str | None, str | None] = (None, None, None, None), *, noisy: bool = False,
) -> dict[str, object]:  # fmt: skip
    chrom, pos, ref, alt = place
    return {
        "level": level, "element": element, "chrom": chrom, "pos": pos, "ref": ref, "alt": alt, "alpha": alpha,
        "beta": beta, "errors": int(errors), "molecules": int(molecules), "noisy": bool(noisy),
    }  # fmt: skip


def _joined(one: float, other: float) -> float:
    """Concentration of a rate that is unsure for two reasons: relative variances add up."""
    return 1.0 / (1.0 / one + 1.0 / other)


def _explained(
    errors: NDArray[np.float64], molecules: NDArray[np.float64], group: NDArray[np.int64], settings: Settings
) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Sites that their context explains, the contexts' rates, and the relative variance of sites around them.

    Starts from the lower 90 % of rates in each context and takes back each site whose count the fit would show at least
    once in ten panels, until the set is stable: as in `background.estimate_background`.
    """
    import numpy as np
    from scipy.stats import nbinom

    with np.errstate(invalid="ignore"):
        fraction = np.where(molecules > 0, errors / np.maximum(molecules, 1.0), 0.0)
    size = int(group.max()) + 1
    highest = np.array([np.quantile(fraction[group == index], 0.9) for index in range(size)])
    keep = fraction <= highest[group]
    for _ in range(_ROUNDS):
        rate = (errors[keep].sum() + 0.5) / (molecules[keep].sum() + 1.0)
        in_context = np.bincount(group[keep], weights=errors[keep], minlength=size).astype(np.float64)
        total = np.bincount(group[keep], weights=molecules[keep], minlength=size).astype(np.float64)
        prior = float(concentration(spread(in_context, total, rate, settings), rate, settings))
        # Not raised to the floor yet: a context that never errs would seem to say that sites are alike.
        of_context = (in_context + rate * prior) / (total + prior)
        of_sites = spread(errors[keep], molecules[keep], of_context[group][keep], settings)
        mean = np.maximum(of_context, settings.error_floor)[group]
        total_weight = concentration(of_sites, mean, settings)
        tail = nbinom.sf(errors - 1, mean * total_weight, total_weight / (total_weight + molecules))
        explained = (errors < 2) | (tail * errors.size >= 0.1)
        if bool((explained == keep).all()):
            break
        keep = explained
    return keep, of_context, of_sites
