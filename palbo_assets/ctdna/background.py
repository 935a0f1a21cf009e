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
        repeated = reference[at + 1 : at + 2]
        if repeated not in BASES or not repeated:
            return ""
        behind = reference[at + 1 : at + 1 + _LONGEST_RUN]
        run = len(behind) - len(behind.lstrip(repeated))
        return f"{kind}:{0 if reference[at] == repeated else run}"
    triplet = reference[max(at - 1, 0) : at + 2]
    if len(triplet) != 3 or at == 0 or any(base not in BASES for base in triplet + alt):
        return ""
    if triplet[1] in "AG":
        triplet, alt = "".join(_COMPLEMENT[base] for base in reversed(triplet)), _COMPLEMENT[alt]
    return f"{triplet[0]}[{triplet[1]}>{alt}]{triplet[2]}"


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
    real variant never feeds its own background, and the tail of the errors isn't cut off.

    Parameters
    ----------
    left_out
        (chrom, 1-based pos) of sites that may hold variants, such as tracked ones.
    """
    import numpy as np

    observed = _sites(counts, left_out)
    parameters = {}
    for kind in KINDS:
        alt, depth = observed[kind]
        keep = (depth > 0) & (alt <= settings.variant_free_vaf * depth)
        parameters[kind] = _robust_fit(alt[keep].astype(np.float64), depth[keep].astype(np.float64), settings)
    return Background(parameters, IN_SAMPLE)


def _sites(
    counts: MoleculeCounts, left_out: frozenset[tuple[str, int]]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(alternative molecules, depth) per site and kind over all panel bases."""
    import numpy as np

    alts: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in KINDS}
    depths: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in KINDS}
    for region in counts.regions:
        depth = region.depth
        known = np.array(
            [(region.chrom, region.start + at + 1) not in left_out for at in range(region.end - region.start)]
        )
        votes = region.counts[:, :4].sum(axis=0)
        reference = np.frombuffer(region.reference.encode("ascii"), dtype=np.uint8)
        for ref in BASES:
            here = (reference == ord(ref)) & known
            for alt in BASES:
                if alt != ref:
                    kind = kind_of(ref, alt)
                    alts[kind].append(votes[BASES.index(alt), here])
                    depths[kind].append(depth[here])
        for kind in (INSERTION, DELETION):
            seen = np.zeros(region.end - region.start, dtype=np.int64)
            for event, (forward, reverse) in counts.indels.items():
                inside = event.chrom == region.chrom and region.start < event.pos <= region.end
                if inside and kind_of(event.ref, event.alt) == kind:
                    at = event.pos - 1 - region.start
                    seen[at] = max(seen[at], forward + reverse)
            alts[kind].append(seen[known])
            depths[kind].append(depth[known])
    return {kind: (np.concatenate(alts[kind]), np.concatenate(depths[kind])) for kind in KINDS}


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
    return bounded(float(mean), concentration(alt, depth, np.float64(mean), settings), settings)


def concentration(
    alt: NDArray[np.float64], depth: NDArray[np.float64], mean: NDArray[np.float64] | float, settings: Settings
) -> float:
    """alpha + beta from Pearson's statistic of counts around ``mean`` (broadcast); the cap where nothing varies."""
    import numpy as np

    seen = depth > 0
    alt, expected = alt[seen], np.broadcast_to(np.asarray(mean), depth.shape)[seen]
    depth = depth[seen]
    pearson = float(np.sum((alt - depth * expected) ** 2 / (depth * expected * (1.0 - expected))))
    spare = float(np.sum(depth - 1.0))
    correlation = (pearson - alt.size) / spare if spare > 0 else 0.0
    found = 1.0 / correlation - 1.0 if correlation > 0 else settings.concentration_cap
    return min(max(found, 10.0), settings.concentration_cap)


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
