"""How often a consensus base is wrong: a beta-binomial background for each kind of error, its context and its site.

Kinds are the six strand-folded substitutions (C>A stands for G>T too: which strand carried the damage isn't known once
both were sequenced), insertions and deletions. The rates come from healthy plasmas when the reference bundle has such a
table (``ctdna_background``) for the panel version; it may refine a kind by its trinucleotide and by its site. Otherwise
they come from the sample's own panel bases, leaving out what looks like a variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.consensus_reads import BASES
from palbo_assets.ctdna.molecules import MoleculeCounts
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.platform.text import number, read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEALTHY_PLASMA = "healthy_plasma"
IN_SAMPLE = "in_sample"
SUBSTITUTIONS = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
INSERTION, DELETION = "ins", "del"
KINDS = (*SUBSTITUTIONS, INSERTION, DELETION)
_COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
_ROUNDS = 20
_LONGEST_RUN = 8  # bases of a homopolymer; longer ones err alike


@dataclass(frozen=True)
class Background:
    """Beta distributions (alpha, beta) of the error rate; the finest one that is known counts.

    ``parameters``: per kind. ``contexts``: as `context_of` names them. ``sites``: per VCF allele; (chrom, pos, anchor,
    ``ins`` or ``del``) is every indel there. ``source`` says whence, ``sha256`` which one, ``reason`` why it isn't one
    of healthy plasmas.
    """

    parameters: Mapping[str, tuple[float, float]]
    source: str
    contexts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sites: Mapping[tuple[str, int, str, str], tuple[float, float]] = field(default_factory=dict)
    sha256: str = ""
    reason: str = ""

    def at(self, chrom: str, pos: int, ref: str, alt: str, context: str = "") -> tuple[float, float]:
        """(alpha, beta) for one allele in its context (`context_of`; empty where unknown)."""
        kind = kind_of(ref, alt)
        of_site = self.sites.get((chrom, pos, ref, alt)) or self.sites.get((chrom, pos, ref[:1], kind))
        return of_site or self.contexts.get(context) or self.parameters[kind]

    def rate(self, kind: str) -> float:
        """Mean errors per molecule and base."""
        alpha, beta = self.parameters[kind]
        return alpha / (alpha + beta)


def kind_of(ref: str, alt: str) -> str:
    """Kind of error that could imitate the change; VCF alleles, or an anchor and ``ins`` or ``del``."""
    if alt in (INSERTION, DELETION):
        return alt
    if len(ref) == len(alt) == 1:
        if ref in "AG":
            ref, alt = _COMPLEMENT[ref], _COMPLEMENT[alt]
        return f"{ref}>{alt}"
    return INSERTION if len(alt) > len(ref) else DELETION


def context_of(reference: str, at: int, ref: str, alt: str) -> str:
    """What surrounds an error at offset ``at`` of some reference bases; empty where that isn't known.

    Of a substitution the trinucleotide, folded to the pyrimidine (``A[C>T]G``); of an indel the homopolymer that begins
    right behind its anchor, up to eight bases (``del:4``; ``del:0`` inside one: no left-aligned one is there).
    """
    kind = kind_of(ref, alt)
    if kind in (INSERTION, DELETION):
        run = _run_behind(reference, at)
        return "" if run < 0 else f"{kind}:{run}"
    triplet = reference[max(at - 1, 0) : at + 2]
    if len(triplet) != 3 or at == 0 or any(base not in BASES for base in triplet + alt):
        return ""
    if triplet[1] in "AG":
        triplet, alt = "".join(_COMPLEMENT[base] for base in reversed(triplet)), _COMPLEMENT[alt]
    return f"{triplet[0]}[{triplet[1]}>{alt}]{triplet[2]}"


def _run_behind(reference: str, at: int) -> int:
    """Bases of the homopolymer that begins behind ``at``, up to `_LONGEST_RUN`; 0 inside one, -1 where unknown."""
    repeated = reference[at + 1 : at + 2]
    if repeated not in BASES or not repeated:
        return -1
    behind = reference[at + 1 : at + 1 + _LONGEST_RUN]
    return 0 if reference[at] == repeated else len(behind) - len(behind.lstrip(repeated))


def read_background(path: Path, settings: Settings, panel_version: str = "") -> Background | None:
    """The reference table of healthy plasmas; None when it is of other panel versions than the plasma's.

    Parameters
    ----------
    path
        TSV with ``substitution`` and either ``alpha, beta`` or ``errors, total`` (errors among total molecules x
        bases; Jeffreys prior). ``substitution`` is a kind (``C>A``, ``ins``, ``del``) or a context (``A[C>A]G``);
        rows with ``chrom, pos, ref, alt`` are one allele's. Rows with ``panel_version`` hold for that version alone.
    panel_version
        Version of the plasma's panel.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` when a kind is missing or a number isn't positive.
    """
    table = read_table(path, required=("substitution",), delimiter="\t")
    names = ("alpha", "beta") if "alpha" in table.columns else ("errors", "total")
    if any(name not in table.columns for name in names):
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA", "the background has neither alpha, beta nor errors, total", file=path.name, row=1
        )
    if "panel_version" in table.columns:
        table = table[table["panel_version"].isin(("", panel_version))]
        if table.empty:
            return None
    levels: tuple[dict[Any, tuple[float, float]], ...] = ({}, {}, {})
    for row, cells in table.iterrows():
        first, second = (number(cells[name], path=path, row=int(str(row)), column=name) for name in names)
        if first is None or second is None or first < 0 or second <= first or (names[0] == "alpha" and first == 0):
            raise ReferenceBundleError(
                "E_REFERENCE_SCHEMA", "the numbers can't be a rate below 1", file=path.name, row=int(str(row))
            )
        alpha, beta = (first, second) if names[0] == "alpha" else (first + 0.5, second - first + 0.5)
        level, key = _level(cells, path, int(str(row)))
        levels[level][key] = bounded(alpha / (alpha + beta), alpha + beta, settings)
    missing = [kind for kind in KINDS if kind not in levels[0]]
    if missing:
        raise ReferenceBundleError("E_REFERENCE_SCHEMA", f"the background lacks {', '.join(missing)}", file=path.name)
    return Background(levels[0], HEALTHY_PLASMA, levels[1], levels[2])


def _level(cells: Any, path: Path, row: int) -> tuple[int, Any]:
    """(0, kind), (1, context) or (2, allele) that a row of the reference table is about."""
    if cells.get("chrom", ""):
        pos, ref, alt = (cells.get(name, "") for name in ("pos", "ref", "alt"))
        if not str(pos).isdigit() or not ref or not alt or set(ref + alt) - set(BASES):
            raise ReferenceBundleError("E_REFERENCE_SCHEMA", "the row's allele can't be read", file=path.name, row=row)
        return 2, (cells["chrom"], int(pos), ref, alt)
    kind = cells["substitution"]
    if "[" in kind:
        return 1, kind
    ref, mark, alt = kind.partition(">")
    return 0, kind_of(ref, alt) if mark and ref in BASES and alt in BASES else kind


def estimate_background(
    counts: MoleculeCounts, settings: Settings, left_out: frozenset[tuple[str, int]] = frozenset()
) -> Background:
    """Rates from the panel's own bases.

    Per kind, sites start from the lower 90 % of allele fractions and a beta-binomial is fitted by moments; then sites
    that the fit explains (tail probability at least one in ten expected) come back in, until the set is stable. So a
    real variant never feeds its own background, and the tail of the errors isn't cut off. Indels have a rate for each
    length of the homopolymer behind their anchor (`context_of`), lengths of few sites together.

    Parameters
    ----------
    left_out
        (chrom, 1-based pos) of sites that may hold variants, such as tracked ones.
    """
    import numpy as np

    observed = _sites(counts, left_out)
    parameters: dict[str, tuple[float, float]] = {}
    contexts: dict[str, tuple[float, float]] = {}
    for kind in KINDS:
        alt, depth, run = observed[kind]
        keep = (depth > 0) & (alt <= settings.variant_free_vaf * depth)
        errors, molecules, run = alt[keep].astype(np.float64), depth[keep].astype(np.float64), run[keep]
        parameters[kind] = _robust_fit(errors, molecules, settings)
        if kind in (INSERTION, DELETION):
            for runs in _classes(run, settings.min_sites_of_run):
                here = np.isin(run, runs)
                contexts |= dict.fromkeys(
                    (f"{kind}:{one}" for one in runs), _robust_fit(errors[here], molecules[here], settings)
                )
    return Background(parameters, IN_SAMPLE, contexts)


def _classes(run: NDArray[np.int64], least: int) -> list[list[int]]:
    """Lengths of homopolymers (1 to `_LONGEST_RUN`) that share a rate, longest first: neighbours, until enough sites.

    Empty where not even all of them together have ``least`` sites.
    """
    classes: list[list[int]] = []
    waiting: list[int] = []
    for one in range(_LONGEST_RUN, 0, -1):
        waiting.append(one)
        if sum(int((run == length).sum()) for length in waiting) >= least:
            classes.append(waiting)
            waiting = []
    if classes:
        classes[-1].extend(waiting)
    return classes


def _sites(
    counts: MoleculeCounts, left_out: frozenset[tuple[str, int]]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """(alternative molecules, depth, homopolymer behind an indel's anchor or -1) per site and kind over all bases."""
    import numpy as np

    found: dict[str, list[list[NDArray[np.int64]]]] = {kind: [[], [], []] for kind in KINDS}

    def add(kind: str, *columns: NDArray[np.int64]) -> None:
        for column, values in zip(found[kind], columns, strict=True):
            column.append(values)

    for region in counts.regions:
        depth = region.depth
        size = region.end - region.start
        known = np.array([(region.chrom, region.start + at + 1) not in left_out for at in range(size)])
        votes = region.counts[:, :4].sum(axis=0)
        reference = np.frombuffer(region.reference.encode("ascii"), dtype=np.uint8)
        for ref in BASES:
            here = (reference == ord(ref)) & known
            for alt in BASES:
                if alt != ref:
                    none = np.full(int(here.sum()), -1)
                    add(kind_of(ref, alt), votes[BASES.index(alt), here], depth[here], none)
        runs = np.array([_run_behind(region.reference, at) for at in range(size)])
        for kind in (INSERTION, DELETION):
            seen = np.zeros(size, dtype=np.int64)
            for event, (forward, reverse) in counts.indels.items():
                inside = event.chrom == region.chrom and region.start < event.pos <= region.end
                if inside and kind_of(event.ref, event.alt) == kind:
                    at = event.pos - 1 - region.start
                    seen[at] = max(seen[at], forward + reverse)
            add(kind, seen[known], depth[known], runs[known])
    return {
        kind: (np.concatenate(alt), np.concatenate(depth), np.concatenate(run))
        for kind, (alt, depth, run) in found.items()
    }


def _robust_fit(alt: NDArray[np.float64], depth: NDArray[np.float64], settings: Settings) -> tuple[float, float]:
    import numpy as np

    if alt.size == 0:
        return bounded(settings.error_floor, settings.concentration_cap, settings)
    fraction = alt / depth
    keep = fraction <= np.quantile(fraction, 0.9)
    for _ in range(_ROUNDS):
        alpha, beta = _moments(alt[keep], depth[keep], settings)
        explained = np.ones(alt.size, dtype=bool)
        for index in np.flatnonzero(alt >= 2):
            explained[index] = tail_probability(int(alt[index]), int(depth[index]), alpha, beta) * alt.size >= 0.1
        if bool((explained == keep).all()):
            break
        keep = explained
    return _moments(alt[keep], depth[keep], settings)


def _moments(alt: NDArray[np.float64], depth: NDArray[np.float64], settings: Settings) -> tuple[float, float]:
    """Beta-binomial by moments: pooled mean (Jeffreys prior) and the dispersion from Pearson's statistic."""
    import numpy as np

    mean = (alt.sum() + 0.5) / (depth.sum() + 1.0)
    relative = spread(alt, depth, np.float64(mean), settings)
    return bounded(float(mean), float(concentration(relative, float(mean), settings)), settings)


def spread(
    alt: NDArray[np.float64], depth: NDArray[np.float64], mean: NDArray[np.float64] | float, settings: Settings
) -> float:
    """Relative variance of rates around their ``mean`` (broadcast): the widest that the counts leave possible.

    Errors vary by factors (a damaged library, a hard site), so sites of unlike means share it. By moments of the
    negative binomial, E(x - m)^2 - m = spread m^2; weights 1 / (1 + m)^2, so that sites of many errors count alike and
    those of few hardly. The upper limit of the estimate is taken (``spread_confidence``; a Poisson count's (x - m)^2
    has the variance m + 2 m^2), so few data make a wide background and not a sure one.
    """
    import numpy as np
    from scipy.special import ndtri

    errors = depth * mean
    weight = 1.0 / (1.0 + errors) ** 2
    known = float(np.sum(weight * errors**2))
    if known == 0:
        return 0.0
    beyond = float(np.sum(weight * ((alt - errors) ** 2 - errors)))
    doubt = float(ndtri(settings.spread_confidence)) * float(np.sqrt(np.sum(weight**2 * (errors + 2.0 * errors**2))))
    return max((beyond + doubt) / known, 0.0)


def concentration(
    relative: NDArray[np.float64] | float, mean: NDArray[np.float64] | float, settings: Settings
) -> NDArray[np.float64]:
    """alpha + beta of rates with a relative variance (`spread`) around ``mean``, kept within 10 and the cap."""
    import numpy as np

    share = np.asarray(relative * mean / (1.0 - np.asarray(mean)), dtype=np.float64)
    found = 1.0 / np.maximum(share, 1.0 / (settings.concentration_cap + 1.0)) - 1.0
    return np.clip(found, 10.0, settings.concentration_cap)


def bounded(mean: float, concentration: float, settings: Settings) -> tuple[float, float]:
    """(alpha, beta) of a mean and a concentration, both kept within the settings' bounds."""
    mean = max(mean, settings.error_floor)
    total = min(max(concentration, 10.0), settings.concentration_cap)
    return mean * total, (1.0 - mean) * total


def log_probabilities(least: int, depth: int, alpha: float, beta: float) -> NDArray[np.float64]:
    """log P(X = k) for k = least..depth, X ~ beta-binomial(depth, alpha, beta); shape (depth - least + 1,)."""
    import numpy as np
    from scipy.special import betaln, gammaln

    k = np.arange(least, depth + 1, dtype=np.float64)
    probabilities: NDArray[np.float64] = (
        gammaln(depth + 1.0) - gammaln(k + 1.0) - gammaln(depth - k + 1.0)
        + betaln(k + alpha, depth - k + beta) - betaln(alpha, beta)
    )  # fmt: skip
    return probabilities


def tail_probability(alt: int, depth: int, alpha: float, beta: float) -> float:
    """P(X >= alt) for X ~ beta-binomial(depth, alpha, beta), exact and without cancellation in the tail.

    Summed from ``alt`` upwards in log space, so that 1e-200 comes out as 1e-200 and not as 0.
    """
    import numpy as np

    if alt <= 0:
        return 1.0
    if alt > depth:
        return 0.0
    log_terms = log_probabilities(alt, depth, alpha, beta)
    highest = float(log_terms.max())
    return float(min(1.0, np.exp(highest) * np.exp(log_terms - highest).sum()))
