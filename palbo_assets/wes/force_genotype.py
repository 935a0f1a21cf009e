"""What every tumour of a patient says at every variant that was called in any of them, and with what power.

"Acquired" may only be said of an alteration that the earlier sample would have shown. So each variant is counted in
each of the patient's tumours, its local background is measured there, and the power to have seen it at the fraction
that it reached elsewhere is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.genomics.allele_counts import Evidence, count_alleles
from palbo_assets.genomics.alleles import Fetch, Variant
from palbo_assets.genomics.bam_index import WHOLE
from palbo_assets.genomics.exact import binomial_at_least
from palbo_assets.genomics.local_errors import local_errors
from palbo_assets.study.vocabulary import State
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.somatic_filter import power, smallest_visible_vaf

if TYPE_CHECKING:
    import pandas as pd

_EFFECT = ("gene", "transcript_id", "consequence", "hgvsp_short", "lof", "hotspot")


@dataclass(frozen=True)
class ForcedGenotype:
    """One variant in one tumour.

    ``expected_vaf`` is the largest fraction at which the variant was called in the patient; ``power`` the
    probability that this depth would have shown it at that fraction; ``visible_vaf`` the smallest fraction that this
    depth shows with the wanted power. ``trace`` marks an uncalled alteration above local background.
    """

    evidence: Evidence | None
    background: float | None
    p_value: float | None
    expected_vaf: float | None
    power: float | None
    visible_vaf: float | None
    trace: bool
    state: State


def force_genotypes(
    path: Path,
    expected: Mapping[Variant, float | None],
    called: frozenset[Variant],
    fetch: Fetch,
    settings: Settings,
    ranges: Iterable[tuple[int, int | None]] = WHOLE,
) -> dict[Variant, ForcedGenotype]:
    """Count the variants in one tumour's sorted BAM.

    Parameters
    ----------
    expected
        Variant -> largest fraction at which it was called in the patient.
    called
        Variants that were called in this very tumour: present whatever a threshold here says.
    ranges
        Where the BAM holds the reads at the variants and over the background's window beside them.
    """
    base_quality, mapping_quality = settings.min_base_quality, settings.min_mapping_quality
    counted = count_alleles(
        path, expected, fetch, min_base_quality=base_quality, min_mapping_quality=mapping_quality, ranges=ranges
    )
    measured = local_errors(
        path,
        expected,
        fetch,
        window=settings.background_window,
        max_vaf=settings.background_max_vaf,
        min_base_quality=base_quality,
        min_mapping_quality=mapping_quality,
        ranges=ranges,
    )
    backgrounds = {
        variant: None if error is None else max(settings.background_floor, error) for variant, error in measured.items()
    }
    return {
        variant: judge(counted.get(variant), backgrounds.get(variant), vaf, variant in called, settings)
        for variant, vaf in expected.items()
    }


def judge(
    evidence: Evidence | None,
    background: float | None,
    expected_vaf: float | None,
    called: bool,
    settings: Settings,
) -> ForcedGenotype:
    """State of one variant in one tumour: ABSENT needs power, and a trace above background is neither."""
    if evidence is None:
        state = State.PRESENT if called else State.NOT_EVALUABLE
        return ForcedGenotype(None, background, None, expected_vaf, None, None, False, state)
    error = settings.background_floor if background is None else background
    p_value = binomial_at_least(evidence.alt, evidence.depth, error)
    seen = power(evidence.depth, expected_vaf, settings.power_alt_reads) if expected_vaf is not None else None
    trace = not called and evidence.alt >= settings.trace_alt_reads and p_value < settings.trace_p
    if called:
        state = State.PRESENT
    elif not trace and seen is not None and seen >= settings.min_power:
        state = State.ABSENT
    else:
        state = State.NOT_EVALUABLE
    visible = smallest_visible_vaf(evidence.depth, settings.power_alt_reads, settings.min_power)
    return ForcedGenotype(evidence, background, p_value, expected_vaf, seen, visible, trace, state)


@dataclass
class CalledVariant:
    """A variant that passed in at least one of the patient's specimens."""

    effect: dict[str, Any]
    largest_vaf: float | None = None
    called_in: set[str] = field(default_factory=set)


def union_of_calls(somatic_calls: pd.DataFrame) -> dict[Variant, CalledVariant]:
    """PASS variants of a patient's ``somatic_calls`` rows, in genome order of their names."""
    import pandas as pd

    union: dict[Variant, CalledVariant] = {}
    order = ["chrom", "pos", "ref", "alt", "specimen_id"]
    passing = somatic_calls[somatic_calls["filter"] == "PASS"].sort_values(order)
    for row in passing.to_dict("records"):
        variant = Variant(row["chrom"], int(row["pos"]), row["ref"], row["alt"])
        effect = {name: None if pd.isna(row[name]) else row[name] for name in _EFFECT}
        known = union.setdefault(variant, CalledVariant(effect))
        known.called_in.add(row["specimen_id"])
        if not pd.isna(row["t_vaf"]):
            known.largest_vaf = max(known.largest_vaf or 0.0, float(row["t_vaf"]))
    return union


def rows_of(
    union: Mapping[Variant, CalledVariant],
    genotypes: Mapping[Variant, ForcedGenotype] | None,
    called: frozenset[Variant],
) -> list[dict[str, Any]]:
    """Rows of ``forced_genotypes`` for one tumour; ``genotypes`` is None for a tumour of another person."""
    rows = []
    for variant, known in union.items():
        row: dict[str, Any] = {**variant._asdict(), **known.effect, "expected_vaf": known.largest_vaf}
        if genotypes is None:
            rows.append(
                row
                | {"called": False, "trace": False, "state": State.NOT_EVALUABLE.value, "reason": "E_IDENTITY_MISMATCH"}
            )
            continue
        found = genotypes[variant]
        counted = found.evidence
        rows.append(
            row
            | {
                "depth": counted.depth if counted else None,
                "alt_count": counted.alt if counted else None,
                "vaf": counted.vaf if counted else None,
                "background_error": found.background,
                "p_value": found.p_value,
                "called": variant in called,
                "trace": found.trace,
                "power": found.power,
                "visible_vaf": found.visible_vaf,
                "state": found.state.value,
                "reason": _reason(found),
            }
        )
    return rows


def _reason(found: ForcedGenotype) -> str | None:
    if found.state is not State.NOT_EVALUABLE:
        return None
    if found.evidence is None:
        return "NOT_COUNTABLE"
    if found.trace:
        return "TRACE"
    return "NOT_COVERED" if found.evidence.depth == 0 else "LOW_POWER"
