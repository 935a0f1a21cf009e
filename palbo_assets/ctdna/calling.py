"""Calls in one plasma: new variants anywhere on the panel, and the state of every tracked site.

A tracked site is PRESENT when more molecules carry it than the background explains; ABSENT only when a variant of the
allele fraction to be excluded would have been found with the required power at this site's own depth; NOT_EVALUABLE
when the depth was too low for that; NOT_ASSAYED when the panel version doesn't cover it. A negative plasma is never
called wild type: a tumour that sheds little leaves no trace of a clone that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.ctdna.background import Background, context_of, tail_probability
from palbo_assets.ctdna.consensus_reads import BASES
from palbo_assets.ctdna.molecules import Evidence, MoleculeCounts
from palbo_assets.ctdna.panel import Panel
from palbo_assets.ctdna.power import critical_count, detection_power, lod95
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import CallState

if TYPE_CHECKING:
    import pandas as pd

TRACKED_COLUMNS = ("chrom", "pos", "ref", "alt", "gene", "hgvsp_short", "lof")
PASS = "PASS"
STRAND, GERMLINE, NOT_SHORT, SAMPLE_QC = "strand_bias", "germline_band", "not_snv_or_indel", "sample_qc"
NO_GENOME, UNKNOWN_PANEL = "no_genome", "unknown_panel"
NEAR_MISS = "near_miss"  # an allele that BH would call, and that errors make too often per megabase
_ALLELES_PER_BASE = 5  # three other bases, an insertion and a deletion


@dataclass(frozen=True)
class Call:
    """One allele at one site of one plasma. Fractions in 0..1; None where there is nothing to say."""

    chrom: str
    pos: int
    ref: str
    alt: str
    gene: str
    hgvsp_short: str
    lof: bool | None
    tracked: bool
    state: CallState
    filter: str = PASS  # PASS, or flags joined by ';'
    unique_depth: int | None = None
    alt_molecules: int | None = None
    alt_forward: int | None = None
    alt_reverse: int | None = None
    vaf: float | None = None
    background_rate: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    critical_molecules: int | None = None
    lod95_vaf: float | None = None
    power: float | None = None


def read_tracked_sites(path: Path) -> pd.DataFrame:
    """The tracked sites: CSV ``chrom, pos, ref, alt, gene, hgvsp_short, lof`` (1-based, left-aligned VCF alleles).

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column.
    """
    from palbo_assets.platform.text import read_table

    table = read_table(path, required=TRACKED_COLUMNS, rows_required=False)
    for column, allowed in (("pos", str.isdigit), ("ref", _is_allele), ("alt", _is_allele), ("lof", _is_flag)):
        for row, cell in table[column].items():
            if not allowed(cell):
                raise InputError(
                    "E_SCHEMA", "the cell can't be read", file=path.name, row=int(str(row)), column=column,
                    fix="pos is a whole number, ref and alt are bases, lof is true, false or empty",
                )  # fmt: skip
    typed = table[list(TRACKED_COLUMNS)].reset_index(drop=True)
    typed["pos"] = typed["pos"].astype("int64")
    typed["lof"] = typed["lof"].str.lower().map({"true": True, "1": True, "false": False, "0": False})
    return typed.drop_duplicates(["chrom", "pos", "ref", "alt"], ignore_index=True)


def _is_allele(cell: str) -> bool:
    return bool(cell) and set(cell) <= set(BASES)


def _is_flag(cell: str) -> bool:
    return cell.lower() in {"true", "false", "1", "0", ""}


def call_variants(
    counts: MoleculeCounts,
    panel: Panel,
    background: Background,
    tracked_sites: pd.DataFrame,
    settings: Settings,
    *,
    evaluable: bool = True,
) -> list[Call]:
    """Every tracked site's state, and the new variants found, in genome order.

    Parameters
    ----------
    tracked_sites
        Columns `TRACKED_COLUMNS`; may be empty.
    evaluable
        Whether the plasma passed its quality checks. If not, the numbers stand and every state is NOT_EVALUABLE.

    Raises
    ------
    InputError
        ``E_REF_MISMATCH`` when a tracked site's reference allele isn't what the genome has there.
    """
    tracked = _tracked(counts, panel, background, tracked_sites, settings)
    known = {(call.chrom, call.pos, call.ref, call.alt) for call in tracked}
    found = _de_novo(counts, panel, background, known, settings)
    calls = sorted([*tracked, *found], key=lambda call: (call.chrom, call.pos, call.ref, call.alt))
    if evaluable:
        return calls
    return [
        call
        if call.state is CallState.NOT_ASSAYED
        else replace(
            call,
            state=CallState.NOT_EVALUABLE,
            filter=SAMPLE_QC if call.filter == PASS else f"{call.filter};{SAMPLE_QC}",
        )
        for call in calls
    ]


def _tracked(
    counts: MoleculeCounts, panel: Panel, background: Background, sites: pd.DataFrame, settings: Settings
) -> list[Call]:
    blank = blank_calls(sites, CallState.NOT_ASSAYED)
    covered = [panel.covers(call.chrom, call.pos) for call in blank]
    threshold = settings.alpha_tracked / max(sum(covered), 1)
    measured = [
        _measured(call, counts, background, threshold, settings.min_alt_tracked, settings) if inside else call
        for call, inside in zip(blank, covered, strict=True)
    ]
    adjusted = iter(benjamini_hochberg([call.p_value for call in measured if call.p_value is not None]))
    return [
        _judged(replace(call, q_value=None if call.p_value is None else next(adjusted)), settings) if inside else call
        for call, inside in zip(measured, covered, strict=True)
    ]


def blank_calls(tracked_sites: pd.DataFrame, state: CallState, reason: str = PASS) -> list[Call]:
    """The tracked sites without evidence, all in one state: off the panel, or not computable for ``reason``."""
    return [
        Call(
            chrom=str(site["chrom"]),
            pos=int(site["pos"]),
            ref=str(site["ref"]),
            alt=str(site["alt"]),
            gene=str(site["gene"]),
            hgvsp_short=str(site["hgvsp_short"]),
            lof=site["lof"] if isinstance(site["lof"], bool) else None,
            tracked=True,
            state=state,
            filter=reason,
        )
        for site in tracked_sites.to_dict("records")
    ]


def _judged(call: Call, settings: Settings) -> Call:
    """A tracked site's state from its evidence."""
    if call.q_value is None or call.alt_molecules is None:
        return replace(call, state=CallState.NOT_EVALUABLE)
    if call.q_value < settings.alpha_tracked and call.alt_molecules >= settings.min_alt_tracked:
        flags = [STRAND] if call.filter == STRAND else []
        # A tracked site is a known somatic event: a fraction like a germline one is flagged, not taken away.
        flags += [GERMLINE] if _looks_germline(call.vaf, settings) else []
        state = CallState.NOT_EVALUABLE if STRAND in flags else CallState.PRESENT
        return replace(call, state=state, filter=";".join(flags) or PASS)
    excluded = call.power is not None and call.power >= settings.required_power
    return replace(call, state=CallState.ABSENT if excluded else CallState.NOT_EVALUABLE, filter=PASS)


def _de_novo(
    counts: MoleculeCounts,
    panel: Panel,
    background: Background,
    known: set[tuple[str, int, str, str]],
    settings: Settings,
) -> Iterator[Call]:
    tests = panel.size * _ALLELES_PER_BASE
    # BH alone lets a plasma with many variants have as many more false calls; per base this much is left to errors.
    by_megabase = settings.false_calls_per_megabase * 1e-6 / _ALLELES_PER_BASE
    threshold = min(settings.alpha_de_novo / max(tests, 1), by_megabase)
    candidates = [
        _measured(
            Call(chrom, pos, ref, alt, panel.gene_at(chrom, pos), "", None, False, CallState.PRESENT),
            counts, background, threshold, settings.min_alt_de_novo, settings,
        )
        for chrom, pos, ref, alt in candidate_alleles(counts, settings.min_alt_de_novo)
        if (chrom, pos, ref, alt) not in known
    ]  # fmt: skip
    # Alleles with fewer molecules count as tests with p = 1, which can only make the others' q larger.
    q_values = benjamini_hochberg([1.0 if call.p_value is None else call.p_value for call in candidates], tests)
    for call, q_value in zip(candidates, q_values, strict=True):
        if q_value >= settings.alpha_de_novo:
            continue
        flags = [] if call.filter == PASS else [call.filter]
        if call.p_value is None or call.p_value > by_megabase:
            flags.append(NEAR_MISS)
        if _looks_germline(call.vaf, settings):
            flags.append(GERMLINE)
        state = CallState.NOT_EVALUABLE if flags else CallState.PRESENT
        yield replace(call, q_value=q_value, state=state, filter=";".join(flags) or PASS)


def candidate_alleles(counts: MoleculeCounts, least: int) -> Iterator[tuple[str, int, str, str]]:
    """(chrom, 1-based pos, ref, alt) of every allele that at least ``least`` molecules carry."""
    import numpy as np

    for region in counts.regions:
        votes = region.counts[:, :4].sum(axis=0)
        for code, at in zip(*np.nonzero(votes >= least), strict=True):
            ref = region.reference[at]
            if ref in BASES and BASES[code] != ref:
                yield region.chrom, region.start + int(at) + 1, ref, BASES[code]
    for event, (forward, reverse) in counts.indels.items():
        if forward + reverse >= least:
            yield event.chrom, event.pos, event.ref, event.alt


def _measured(
    call: Call, counts: MoleculeCounts, background: Background, threshold: float, least: int, settings: Settings
) -> Call:
    """``call`` with its evidence, p-value, critical count, LoD and power; the filter names a strand bias."""
    region = counts.region_at(call.chrom, call.pos)
    if region is not None and len(call.ref) and region.reference[call.pos - 1 - region.start] != call.ref[0]:
        raise InputError(
            "E_REF_MISMATCH",
            f"the reference allele of a site ({call.gene or 'no gene'}) isn't what the genome has there",
            column="ref",
            fix="make the site list for the study's genome build, 1-based and left-aligned",
        )
    if len(call.ref) == len(call.alt) != 1 or (len(call.ref) > 1 and len(call.alt) > 1):
        return replace(call, filter=NOT_SHORT)
    evidence = counts.evidence(call.chrom, call.pos, call.ref, call.alt)
    if evidence is None or evidence.depth == 0:
        return replace(call, unique_depth=0, alt_molecules=0)
    allele = (call.chrom, call.pos, call.ref, call.alt)
    alpha, beta = background.at(*allele, context_at(counts, *allele))
    critical = critical_count(evidence.depth, alpha, beta, threshold, least)
    return replace(
        call,
        filter=STRAND if one_strand_only(evidence, settings) else PASS,
        unique_depth=evidence.depth,
        alt_molecules=evidence.alt,
        alt_forward=evidence.alt_forward,
        alt_reverse=evidence.alt_reverse,
        vaf=evidence.alt / evidence.depth,
        background_rate=alpha / (alpha + beta),
        p_value=tail_probability(evidence.alt, evidence.depth, alpha, beta),
        critical_molecules=critical,
        lod95_vaf=lod95(evidence.depth, critical, settings.required_power, (alpha, beta)),
        power=detection_power(evidence.depth, settings.excluded_vaf, critical, (alpha, beta)),
    )


def context_at(counts: MoleculeCounts, chrom: str, pos: int, ref: str, alt: str) -> str:
    """The allele's context in the panel's reference bases (`background.context_of`); empty off the panel."""
    region = counts.region_at(chrom, pos)
    return "" if region is None else context_of(region.reference, pos - 1 - region.start, ref, alt)


def one_strand_only(evidence: Evidence, settings: Settings) -> bool:
    """Whether the variant misses a strand that it should show: enough molecules, and chance hardly explains it."""
    if evidence.alt < settings.strand_rule_from or min(evidence.alt_forward, evidence.alt_reverse) > 0:
        return False
    missed_depth = evidence.depth_reverse if evidence.alt_reverse == 0 else evidence.depth_forward
    share = missed_depth / evidence.depth
    return bool((1.0 - share) ** evidence.alt < settings.strand_rule_p)


def _looks_germline(vaf: float | None, settings: Settings) -> bool:
    return vaf is not None and (
        settings.germline_band_low <= vaf <= settings.germline_band_high or vaf >= settings.germline_homozygous
    )


def benjamini_hochberg(p_values: Iterable[float], tests: int | None = None) -> list[float]:
    """BH-adjusted p-values in the given order; ``tests`` where the family is larger than what is listed."""
    import numpy as np

    p = np.asarray(list(p_values), dtype=np.float64)
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (tests or p.size) / np.arange(1, p.size + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in adjusted]
