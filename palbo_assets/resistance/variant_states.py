"""States of mutation mechanisms in one patient's tumours and plasmas.

PRESENT needs a call. ABSENT needs measured power: the depth at the very place where the patient has the alteration at
another timepoint, or, for an alteration the patient never showed, the sample's depth against the fraction that this
sample's own clonal alterations reach. A sample without any alteration says nothing: it may hold no tumour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from palbo_assets.platform.tables import records
from palbo_assets.resistance.copy_states import CopyEvidence, SecondHit, amplification_state, deletion_state
from palbo_assets.resistance.mechanisms import Kind, Mechanism, one_letter
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import (
    IDENTITY_MISMATCH,
    LOW_POWER,
    LOW_SHEDDING,
    NO_CLONAL_FRACTION,
    NO_COPY_NUMBER,
    NO_DEPTH,
    NO_FORCED_GENOTYPE,
    NO_LOCUS,
    NOT_ASSAYED,
    NOT_MEASURED,
    ONE_OF_TWO,
    QC_FAIL,
    TRACE,
    StateRow,
)
from palbo_assets.study.vocabulary import CallState, Qc, State, Timepoint

if TYPE_CHECKING:
    import pandas as pd


class VariantKey(NamedTuple):
    """A variant in VCF alleles, 1-based."""

    chrom: str
    pos: int
    ref: str
    alt: str

    def __str__(self) -> str:
        return f"{self.chrom}:{self.pos}:{self.ref}:{self.alt}"


def detection_power(depth: float | None, vaf: float | None, least: int) -> float | None:
    """P(at least ``least`` of ``depth`` carry an allele of fraction ``vaf``), binomial; None where one is unknown."""
    from scipy.stats import binom

    if depth is None or vaf is None:
        return None
    return float(binom.sf(least - 1, int(depth), min(max(vaf, 0.0), 1.0)))


def key_of(row: Mapping[str, Any]) -> VariantKey:
    return VariantKey(str(row["chrom"]), int(row["pos"]), str(row["ref"]), str(row["alt"]))


def blocked_timepoints(sample_identity: pd.DataFrame) -> frozenset[str]:
    """Timepoints whose exome states can't be used: a mismatch there, at baseline, or (for baseline) at progression."""
    mismatched = {str(row["timepoint"]) for row in records(sample_identity) if row["verdict"] == "mismatch"}
    blocked = set(Timepoint) if Timepoint.BL in mismatched else set(mismatched)
    if Timepoint.PD in mismatched:
        blocked.add(Timepoint.BL)
    return frozenset(map(str, blocked))


class TumourEvidence:
    """What a patient's tumour exomes say, indexed by timepoint. Only specimens with a usable verdict count."""

    def __init__(
        self,
        somatic_calls: pd.DataFrame,
        read_qc: pd.DataFrame,
        sample_identity: pd.DataFrame,
        patient_genotypes: Sequence[Mapping[str, Any]] = (),
        gene_copy_number: pd.DataFrame | None = None,
        genes: Collection[str] = (),
    ) -> None:
        """``genes`` are those whose copies are asked for."""
        self.blocked = blocked_timepoints(sample_identity)
        quality = records(read_qc)
        self.failed = {row["specimen_id"] for row in quality if row["verdict"] == Qc.FAIL}
        self.depth = _by_timepoint(row for row in quality if row["specimen_id"] not in self.failed)
        self.measured = {str(row["timepoint"]) for row in quality}
        # Another person's alterations are no evidence for any of the patient's samples.
        usable = [
            row
            for row in records(somatic_calls)
            if row["specimen_id"] not in self.failed and row["timepoint"] not in self.blocked
        ]
        self.called = _by_timepoint(row for row in usable if row["filter"] == "PASS" and not row["forced"])
        counted = [dict(row) for row in patient_genotypes if row["sample_kind"] == "tumour"]
        self.forced = _by_timepoint(row for row in counted if row["specimen_id"] not in self.failed)
        # What only plasma showed was looked for in the tumours too.
        self.found_in_plasma = {key_of(row) for row in counted if row["found_in"] == "plasma"}
        self.copies = CopyEvidence(gene_copy_number, genes, self.failed)

    def mean_depth(self, timepoint: str) -> float | None:
        """Largest mean target depth of the timepoint's specimens."""
        depths = [row["tumour_mean_depth"] for row in self.depth.get(timepoint, [])]
        return max((depth for depth in depths if depth), default=None)

    def clonal_vaf(self, timepoint: str) -> float | None:
        """Median fraction of the sample's own calls: what a clonal alteration reaches there, whatever the purity."""
        from statistics import median

        fractions = [row["t_vaf"] for row in self.called.get(timepoint, []) if row["t_vaf"]]
        return median(fractions) if fractions else None


def _by_timepoint(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(str(row["timepoint"]), []).append(row)
    return found


def tumour_state(mechanism: Mechanism, timepoint: str, tumour: TumourEvidence, settings: Settings) -> StateRow:
    """State of a mutation or an amplification in the tumour at one timepoint."""
    nothing = StateRow(
        mechanism.code, timepoint, "cn" if mechanism.kind is Kind.AMPLIFICATION else "wes", State.NOT_EVALUABLE
    )
    if timepoint not in tumour.measured:
        return replace(nothing, reason=NOT_MEASURED)
    if timepoint in tumour.blocked:
        return replace(nothing, reason=IDENTITY_MISMATCH)
    if timepoint not in tumour.depth:
        return replace(nothing, reason=QC_FAIL)
    if mechanism.kind is Kind.AMPLIFICATION:
        return amplification_state(mechanism, nothing, tumour.copies)
    called = [row for row in tumour.called.get(timepoint, []) if _covers(mechanism, row)]
    forced = [row for row in tumour.forced.get(timepoint, []) if _covers(mechanism, row)]
    trace = any(row["trace"] for row in forced)
    found = {key_of(row): row for row in called}
    if len(found) >= mechanism.copies:
        return _present(mechanism, timepoint, "wes", called, trace)
    if mechanism.copies == 2:
        second = tumour.copies.second_hit(mechanism, timepoint)
        if second is SecondHit.DELETED:
            return deletion_state(mechanism, nothing, tumour.copies)
        if found and second is SecondHit.LOST:
            row = _present(mechanism, timepoint, "wes", called, trace)
            return replace(row, evidence=f"{row.evidence};{mechanism.genes[0]}:LOH")
        if found:
            nothing = replace(nothing, trace=trace, hgvsp=_changes(called), evidence=_keys(called))
        if found and second is not SecondHit.KEPT:
            return replace(nothing, reason=ONE_OF_TWO)
        if second is SecondHit.UNKNOWN:
            return replace(nothing, reason=NO_COPY_NUMBER, trace=trace)
    elsewhere = {
        key_of(row)
        for point, rows in tumour.called.items()
        if point != timepoint
        for row in rows
        if _covers(mechanism, row) and key_of(row) not in found
    } | {key_of(row) for row in forced if key_of(row) in tumour.found_in_plasma}
    if elsewhere:
        return _at_known_places(nothing, elsewhere, forced, settings)
    depth, vaf = tumour.mean_depth(timepoint), tumour.clonal_vaf(timepoint)
    power = detection_power(depth, vaf, settings.power_alt_reads)
    if power is None:
        return replace(nothing, reason=NO_DEPTH if depth is None else NO_CLONAL_FRACTION)
    return _absent_with(nothing, power, settings)


def _at_known_places(
    nothing: StateRow,
    wanted: set[VariantKey],
    forced: Sequence[Mapping[str, Any]],
    settings: Settings,
) -> StateRow:
    """State where the patient has the alteration at another timepoint: from the depth at those very places."""
    best: dict[VariantKey, float] = {}
    for row in forced:
        key = key_of(row)
        if key not in wanted:
            continue
        power = detection_power(row["depth"], row["expected_vaf"], settings.power_alt_reads)
        if power is not None:
            best[key] = max(power, best.get(key, 0.0))
    seen = [row for row in forced if row["trace"]]
    about: dict[str, Any] = {"hgvsp": _changes(forced), "evidence": _keys(forced), "trace": bool(seen)}
    if set(best) != wanted:
        return replace(nothing, reason=TRACE if seen else NO_FORCED_GENOTYPE, **about)
    weakest = min(best.values())
    if seen:
        return replace(nothing, power=weakest, reason=TRACE, **about)
    return replace(_absent_with(nothing, weakest, settings), **about)


def _absent_with(nothing: StateRow, power: float, settings: Settings) -> StateRow:
    if power >= settings.min_power:
        return replace(nothing, state=State.ABSENT, power=power)
    return replace(nothing, power=power, reason=LOW_POWER)


def _present(
    mechanism: Mechanism, timepoint: str, source: str, rows: Sequence[Mapping[str, Any]], trace: bool = False
) -> StateRow:
    """PRESENT, with the largest fraction: of cancer cells where a purity gives one, else of alleles."""
    measured = [_fraction(row, source) for row in rows]
    known = [entry for entry in measured if entry is not None]
    in_cells = [entry for entry in known if entry[3] == "CCF"]
    value, low, high, unit = max(in_cells or known, default=(None, None, None, None))
    return StateRow(
        mechanism.code,
        timepoint,
        source,
        State.PRESENT,
        value=value,
        value_low=low,
        value_high=high,
        unit=unit,
        trace=trace,
        hgvsp=_changes(rows),
        evidence=_keys(rows),
    )


def _fraction(row: Mapping[str, Any], source: str) -> tuple[float, float, float, str] | None:
    alt, depth, vaf = (
        (row["t_alt"], row["t_depth"], row["t_vaf"])
        if source == "wes"
        else (row["alt_molecules"], row["unique_depth"], row["vaf"])
    )
    if vaf is None or not depth:
        return None
    low, high = binomial_interval(int(alt), int(depth))
    ccf = row.get("ccf")
    if ccf is None or row.get("ccf_low") is None:
        return float(vaf), low, high, "VAF"
    return float(ccf), float(row["ccf_low"]), float(row["ccf_high"]), "CCF"


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) interval of a share."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


class PlasmaEvidence:
    """What a patient's plasmas say, indexed by timepoint."""

    def __init__(
        self,
        ctdna_calls: pd.DataFrame,
        ctdna_qc: pd.DataFrame,
        patient_genotypes: Sequence[Mapping[str, Any]] = (),
        foreign: frozenset[str] = frozenset(),
    ) -> None:
        """``foreign``: specimens that aren't the patient's."""
        self.foreign = {str(row["timepoint"]) for row in records(ctdna_qc) if row["specimen_id"] in foreign}
        quality = [row for row in records(ctdna_qc) if row["specimen_id"] not in foreign]
        ctdna_calls = ctdna_calls[~ctdna_calls["specimen_id"].isin(foreign)]
        failed = {row["specimen_id"] for row in quality if row["verdict"] == Qc.FAIL}
        self.measured = {str(row["timepoint"]) for row in quality}
        self.usable = {str(row["timepoint"]) for row in quality if row["specimen_id"] not in failed}
        called = records(ctdna_calls)
        judged = {(row["specimen_id"], key_of(row)) for row in called}
        # The patient's own variants, where the plasma's calls don't speak of them: no tracked site, or not called anew.
        called += [
            {**row, "unique_depth": row["depth"], "alt_molecules": row["alt_count"], "chip_gene": False, "filter": None}
            for row in patient_genotypes
            if row["sample_kind"] == "plasma" and (row["specimen_id"], key_of(row)) not in judged
        ]
        self.calls = _by_timepoint(row for row in called if row["specimen_id"] not in failed)

    def shed_vaf(self, timepoint: str) -> float | None:
        """Largest fraction of an alteration present outside genes of clonal haematopoiesis: tumour DNA was there."""
        fractions = [
            row["vaf"]
            for row in self.calls.get(timepoint, [])
            if row["state"] == CallState.PRESENT and row["vaf"] and not row["chip_gene"]
            and "germline_band" not in (row["filter"] or "")
        ]  # fmt: skip
        return max(fractions, default=None)


def plasma_state(mechanism: Mechanism, timepoint: str, plasma: PlasmaEvidence, settings: Settings) -> StateRow:
    """State of a mutation mechanism in plasma at one timepoint. A plasma without tumour DNA excludes nothing.

    Where it would be another one without the loci that this cohort's findings put on the panel, it says so.
    """
    nothing = StateRow(mechanism.code, timepoint, "ctdna", State.NOT_EVALUABLE)
    if timepoint not in plasma.measured:
        return replace(nothing, reason=IDENTITY_MISMATCH if timepoint in plasma.foreign else NOT_MEASURED)
    if timepoint not in plasma.usable:
        return replace(nothing, reason=QC_FAIL)
    rows = [row for row in plasma.calls.get(timepoint, []) if _covers(mechanism, row)]
    stated = _of_loci(mechanism, nothing, rows, plasma, settings)
    foreseen = [row for row in rows if not row.get("chosen_from_cohort")]
    if len(foreseen) == len(rows):
        return replace(stated, chosen_from_cohort=False)
    without = _of_loci(mechanism, nothing, foreseen, plasma, settings)
    return replace(stated, chosen_from_cohort=without.state is not stated.state)


def _of_loci(
    mechanism: Mechanism,
    nothing: StateRow,
    rows: Sequence[Mapping[str, Any]],
    plasma: PlasmaEvidence,
    settings: Settings,
) -> StateRow:
    """What these loci of a usable plasma say of the mechanism."""
    timepoint = nothing.timepoint
    present = [row for row in rows if row["state"] == CallState.PRESENT]
    if len({key_of(row) for row in present}) >= mechanism.copies:
        return _present(mechanism, timepoint, "ctdna", present)
    if not rows:
        return replace(nothing, reason=NO_LOCUS)
    about: dict[str, Any] = {"hgvsp": _changes(rows), "evidence": _keys(rows)}
    rows = _assayed(rows)
    states = {str(row["state"]) for row in rows}
    if CallState.NOT_ASSAYED in states:
        return replace(nothing, reason=NOT_ASSAYED, **about)
    if any(row.get("trace") for row in rows):
        return replace(nothing, reason=TRACE, trace=True, **about)
    if states != {CallState.ABSENT}:
        return replace(nothing, reason=LOW_POWER, **about)
    shed = plasma.shed_vaf(timepoint)
    if shed is None:
        return replace(nothing, reason=LOW_SHEDDING, **about)
    shallowest = min((row["unique_depth"] for row in rows if row["unique_depth"] is not None), default=None)
    power = detection_power(shallowest, shed, settings.power_alt_molecules)
    if power is None:
        return replace(nothing, reason=NO_DEPTH, **about)
    return replace(_absent_with(nothing, power, settings), **about)


def _assayed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the plasmas whose panel version lacks a locus, where another plasma of the timepoint has it."""
    there = {key_of(row) for row in rows if row["state"] != CallState.NOT_ASSAYED}
    return [row for row in rows if row["state"] != CallState.NOT_ASSAYED or key_of(row) not in there]


def _covers(mechanism: Mechanism, row: Mapping[str, Any]) -> bool:
    return mechanism.covers(row["gene"], row["hgvsp_short"], bool(row["lof"]))


def _changes(rows: Iterable[Mapping[str, Any]]) -> str:
    named = {one_letter(row["hgvsp_short"]) or str(row.get("consequence") or "unnamed") for row in rows}
    return ";".join(sorted(named))


def _keys(rows: Iterable[Mapping[str, Any]]) -> str:
    return ";".join(map(str, sorted({key_of(row) for row in rows})))
