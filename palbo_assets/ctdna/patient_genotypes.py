"""Every variant of a patient, from tissue or plasma, in every sample of the patient: tumours, blood and plasmas.

"Acquired" may only be said of an alteration that the earlier sample would have shown. So each variant is counted in
each sample of the patient, beside its local background, and the power to have seen it there is stated. A sample that
isn't the patient's gives no variant and is given no state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.force_genotype import NOT_COUNTABLE, Rules, judge
from palbo_assets.platform.tables import records
from palbo_assets.study.vocabulary import CallState, Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.ctdna.molecules import MoleculeCounts
    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.genomics.allele_counts import Evidence
    from palbo_assets.genomics.alleles import Fetch

TUMOUR, NORMAL, PLASMA = "tumour", "normal", "plasma"
IDENTITY, QC_FAIL, UNKNOWN_PANEL, LOW_SHEDDING = "E_IDENTITY_MISMATCH", "QC_FAIL", "UNKNOWN_PANEL", "NO_TUMOUR_DNA_SEEN"
_EFFECT = ("gene", "consequence", "hgvsp_short", "lof", "hotspot")


@dataclass
class Known:
    """A variant that some sample shows: its effect, and the fraction at which each kind's specimens called it."""

    effect: dict[str, Any]
    called: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def found_in(self) -> str:
        """``tissue``, ``plasma`` or ``both``."""
        return "both" if len(self.called) == 2 else "tissue" if TUMOUR in self.called else PLASMA

    def largest(self, kind: str) -> float | None:
        """Largest fraction at which a sample of this kind called it; None if none did."""
        return max(self.called.get(kind, {}).values(), default=0.0) or None

    def called_in(self, kind: str, specimen_id: str) -> bool:
        return specimen_id in self.called.get(kind, {})


def union_of_variants(
    somatic_calls: pd.DataFrame, ctdna_calls: pd.DataFrame, foreign: Collection[str] = ()
) -> dict[Variant, Known]:
    """PASS calls of tissue and PRESENT calls of plasma (not germline-like), in the order of their names.

    ``foreign``: specimens that aren't the patient's; another person's variants are none of the patient's.
    """
    union: dict[Variant, Known] = {}
    passing = somatic_calls[(somatic_calls["filter"] == "PASS") & ~somatic_calls["forced"].astype(bool)]
    present = ctdna_calls[ctdna_calls["state"] == CallState.PRESENT]
    present = present[~present["filter"].fillna("").str.contains("germline_band", regex=False)]
    for kind, frame, column in ((TUMOUR, passing, "t_vaf"), (PLASMA, present, "vaf")):
        for row in records(frame[~frame["specimen_id"].isin(list(foreign))]):
            variant = Variant(row["chrom"], int(row["pos"]), row["ref"], row["alt"])
            known = union.setdefault(variant, Known({name: row.get(name) for name in _EFFECT}))
            known.called.setdefault(kind, {})[row["specimen_id"]] = row[column] or 0.0
    return dict(sorted(union.items()))


def clonal_fractions(union: Mapping[Variant, Known]) -> dict[str, float]:
    """Tumour specimen -> median fraction of its own calls: what a clonal alteration reaches there."""
    fractions: dict[str, list[float]] = {}
    for known in union.values():
        for specimen_id, vaf in known.called.get(TUMOUR, {}).items():
            if vaf:
                fractions.setdefault(specimen_id, []).append(vaf)
    return {specimen_id: median(found) for specimen_id, found in fractions.items()}


def expected_in_tissue(known: Known, specimen_id: str, clonal: Mapping[str, float]) -> float | None:
    """Fraction at which a variant should show in a tumour: its largest in tissue (plasma's where only plasma shows it).

    Less where this specimen holds less tumour than those that called the variant: tumour content is compared by the
    fractions of the specimens' own calls (`clonal_fractions`). A specimen without any call is taken as it is.
    """
    stated = known.largest(TUMOUR) or known.largest(PLASMA)
    here = clonal.get(specimen_id)
    scaled = [
        vaf * here / clonal[other]
        for other, vaf in known.called.get(TUMOUR, {}).items()
        if here and vaf and other != specimen_id
    ]
    return min((value for value in (stated, max(scaled, default=None)) if value is not None), default=None)


def shed_fractions(ctdna_calls: pd.DataFrame) -> dict[str, float]:
    """Plasma specimen -> largest fraction of an allele that is PRESENT there and not from blood or germline."""
    found: dict[str, float] = {}
    for row in records(ctdna_calls):
        doubtful = row["chip_gene"] or "germline_band" in (row["filter"] or "")
        if row["state"] == CallState.PRESENT and row["vaf"] and not doubtful:
            found[row["specimen_id"]] = max(row["vaf"], found.get(row["specimen_id"], 0.0))
    return found


_FAILED = {"state": str(CallState.NOT_EVALUABLE), "reason": QC_FAIL, "called": False, "trace": False}


def tissue_rules(settings: Settings) -> Rules:
    """Thresholds for exomes, in fragments."""
    return Rules(
        settings.tissue_visible, settings.trace_alt, settings.trace_p, settings.genotype_power, settings.tissue_floor
    )


def plasma_rules(settings: Settings) -> Rules:
    """Thresholds for plasmas, in molecules."""
    return Rules(
        settings.min_alt_tracked, settings.trace_alt, settings.trace_p, settings.genotype_power, settings.error_floor
    )


@dataclass(frozen=True)
class TissueCounts:
    """One exome's fragments with each variant, and the errors per fragment around it (None: nothing was read)."""

    evidence: Mapping[Variant, Evidence | None]
    errors: Mapping[Variant, float | None]


def count_tissue(bam: Path, union: Iterable[Variant], fetch: Fetch, settings: Settings) -> tuple[TissueCounts, str]:
    """Count the variants in a sorted BAM, and the errors within ``genotype_window`` bases on each side of them.

    Also says whether the file was read whole or by an index.
    """
    from palbo_assets.genomics.allele_counts import count_alleles, reads_at
    from palbo_assets.genomics.local_errors import local_errors as errors_beside

    variants, base, mapping = list(union), settings.tissue_base_quality, settings.min_mapping_quality
    window, largest = settings.genotype_window, settings.tissue_variant_vaf
    part = reads_at(bam, variants, fetch, window)
    evidence = count_alleles(
        bam, variants, fetch, min_base_quality=base, min_mapping_quality=mapping, ranges=part.ranges
    )
    errors = errors_beside(
        bam, variants, fetch, window=window, max_vaf=largest, min_base_quality=base, min_mapping_quality=mapping,
        ranges=part.ranges,
    )  # fmt: skip
    return TissueCounts(evidence, errors), part.remark


def tissue_rows(
    kind: str,
    specimen_id: str,
    union: Mapping[Variant, Known],
    counted: TissueCounts | None,
    settings: Settings,
    *,
    failed: bool = False,
) -> Iterable[dict[str, Any]]:
    """Rows of one tumour or blood exome.

    Parameters
    ----------
    counted
        None for a sample that isn't the patient's: nothing may be said of it.
    failed
        The exome failed quality: its numbers are kept, and no state is.
    """
    clonal = clonal_fractions(union)
    for variant, known in union.items():
        row = _row(kind, variant, known, expected_in_tissue(known, specimen_id, clonal))
        found = None if counted is None else counted.evidence.get(variant)
        called = kind == TUMOUR and known.called_in(kind, specimen_id)
        if counted is None:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": IDENTITY}
        elif found is None and called and not failed:
            yield row | {"called": True, "state": str(CallState.PRESENT)}
        elif found is None:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": QC_FAIL if failed else NOT_COUNTABLE}
        else:
            row |= _judged(
                found.depth, found.alt, counted.errors.get(variant), row["expected_vaf"], called, tissue_rules(settings)
            )
            yield row | (_FAILED if failed else {})


def plasma_rows(
    specimen_id: str,
    union: Mapping[Variant, Known],
    counts: MoleculeCounts | None,
    verdict: str | None,
    shed: float | None,
    settings: Settings,
    *,
    panel_version: str | None = None,
    foreign: bool = False,
    panel: Panel | None = None,
) -> Iterable[dict[str, Any]]:
    """Rows of one plasma. Off its panel version a variant is NOT_ASSAYED; a plasma that sheds nothing excludes nothing.

    A variant is expected at the plasma's own largest tumour fraction, or less where no plasma ever showed so much.
    ``foreign``: the plasma isn't the patient's, nothing may be said of it. ``panel``: says which sites it has because
    of this cohort (`Panel.chosen_from_cohort`): what a plasma shows there doesn't tell how common the variant is.
    """
    for variant, known in union.items():
        ceiling = [value for value in (shed, known.largest(PLASMA)) if value]
        expected = min(ceiling) if shed else None
        chosen = panel.chosen_from_cohort(variant.chrom, variant.pos) if panel else None
        row = _row(PLASMA, variant, known, expected) | {"panel_version": panel_version, "chosen_from_cohort": chosen}
        if foreign:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": IDENTITY}
            continue
        evidence = None if counts is None else counts.evidence(*variant)
        if counts is None:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": UNKNOWN_PANEL}
        elif counts.region_at(variant.chrom, variant.pos) is None:
            yield row | {"state": str(CallState.NOT_ASSAYED), "reason": "OFF_PANEL"}
        elif evidence is None or variant.kind in ("mnv", "complex"):
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": NOT_COUNTABLE}
        else:
            errors = local_errors(counts, variant, settings)
            called = known.called_in(PLASMA, specimen_id)
            row |= _judged(evidence.depth, evidence.alt, errors, expected, called, plasma_rules(settings))
            if verdict == Qc.FAIL:
                row |= _FAILED
            elif shed is None and not row["called"] and not row["trace"]:
                row |= {"reason": LOW_SHEDDING}
            yield row


def local_errors(counts: MoleculeCounts, variant: Variant, settings: Settings) -> float | None:
    """Errors per molecule towards one other base within ``genotype_window`` on the panel, the variant left out.

    Positions above ``variant_free_vaf`` are variants, not errors. For indels: other indels per molecule.
    """
    import numpy as np

    region = counts.region_at(variant.chrom, variant.pos)
    assert region is not None
    at = variant.pos - 1 - region.start
    low, high = max(0, at - settings.genotype_window), min(len(region.reference), at + settings.genotype_window + 1)
    depth = region.depth[low:high].astype(float)
    if variant.kind == "snv":
        codes = np.array(["ACGT".find(base) for base in region.reference[low:high]])
        votes = region.counts[:, :4, low:high].sum(axis=0)
        matching = np.where(codes >= 0, votes[np.maximum(codes, 0), np.arange(high - low)], votes.sum(axis=0))
        wrong, share = votes.sum(axis=0) - matching, 3.0
    else:
        wrong, share = np.zeros(high - low), 1.0
        for other, molecules in counts.indels.items():
            if other.chrom == variant.chrom and low <= other.pos - 1 - region.start < high and tuple(other) != variant:
                wrong[other.pos - 1 - region.start - low] += sum(molecules)
    usable = (depth > 0) & (wrong <= settings.variant_free_vaf * depth)
    usable[at - low] = False
    total = float(depth[usable].sum())
    return float(wrong[usable].sum()) / total / share if total else None


def _judged(
    depth: int, alt: int, errors: float | None, expected: float | None, called: bool, rules: Rules
) -> dict[str, Any]:
    found = judge(depth, alt, errors, expected, called=called, rules=rules)
    return {
        "depth": depth,
        "alt_count": alt,
        "vaf": alt / depth if depth else None,
        "background_error": max(errors or 0.0, rules.background_floor),
        "p_value": found.p_value,
        "power": found.power,
        "visible_vaf": found.visible_vaf,
        "called": called,
        "trace": found.trace,
        "state": found.state,
        "reason": found.reason,
    }


def _row(kind: str, variant: Variant, known: Known, expected: float | None) -> dict[str, Any]:
    return {
        **variant._asdict(), **known.effect, "sample_kind": kind, "found_in": known.found_in, "expected_vaf": expected,
        "called": False, "trace": False,
    }  # fmt: skip
