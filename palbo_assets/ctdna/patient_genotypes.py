"""Every variant of a patient, from tissue or plasma, in every sample of the patient: tumours, blood and plasmas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.force_genotype import NOT_COUNTABLE, Rules, judge
from palbo_assets.study.vocabulary import CallState, Qc

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.ctdna.molecules import MoleculeCounts
    from palbo_assets.genomics.allele_counts import Evidence

TUMOUR, NORMAL, PLASMA = "tumour", "normal", "plasma"
IDENTITY, QC_FAIL, UNKNOWN_PANEL, LOW_SHEDDING = "E_IDENTITY_MISMATCH", "QC_FAIL", "UNKNOWN_PANEL", "NO_TUMOUR_DNA_SEEN"
_EFFECT = ("gene", "consequence", "hgvsp_short", "lof")


@dataclass
class Known:
    """A variant that some sample shows: its effect, the specimens that called it, its largest fraction by kind."""

    effect: dict[str, Any]
    called_in: set[str] = field(default_factory=set)
    largest: dict[str, float] = field(default_factory=dict)

    @property
    def found_in(self) -> str:
        """``tissue``, ``plasma`` or ``both``."""
        return "both" if len(self.largest) == 2 else "tissue" if TUMOUR in self.largest else PLASMA

    def see(self, kind: str, specimen_id: str, vaf: float | None) -> None:
        self.called_in.add(specimen_id)
        self.largest[kind] = max(self.largest.get(kind, 0.0), vaf or 0.0)


def union_of_variants(somatic_calls: pd.DataFrame, ctdna_calls: pd.DataFrame) -> dict[Variant, Known]:
    """PASS calls of tissue and PRESENT calls of plasma (not germline-like), in the order of their names."""
    union: dict[Variant, Known] = {}
    passing = somatic_calls[(somatic_calls["filter"] == "PASS") & ~somatic_calls["forced"].astype(bool)]
    present = ctdna_calls[ctdna_calls["state"] == CallState.PRESENT]
    present = present[~present["filter"].fillna("").str.contains("germline_band", regex=False)]
    for kind, frame, column in ((TUMOUR, passing, "t_vaf"), (PLASMA, present, "vaf")):
        for row in _plain(frame):
            variant = Variant(row["chrom"], int(row["pos"]), row["ref"], row["alt"])
            known = union.setdefault(variant, Known({name: row[name] for name in _EFFECT}))
            known.see(kind, row["specimen_id"], row[column])
    return dict(sorted(union.items()))


def shed_fractions(ctdna_calls: pd.DataFrame) -> dict[str, float]:
    """Plasma specimen -> largest fraction of an allele that is PRESENT there and not from blood or germline."""
    found: dict[str, float] = {}
    for row in _plain(ctdna_calls):
        doubtful = row["chip_gene"] or "germline_band" in (row["filter"] or "")
        if row["state"] == CallState.PRESENT and row["vaf"] and not doubtful:
            found[row["specimen_id"]] = max(row["vaf"], found.get(row["specimen_id"], 0.0))
    return found


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


def tissue_rows(
    kind: str,
    specimen_id: str,
    union: Mapping[Variant, Known],
    counted: Mapping[Variant, Evidence | None],
    settings: Settings,
    refused: str = "",
) -> Iterable[dict[str, Any]]:
    """Rows of one tumour or blood exome. ``refused``: why nothing may be said of the sample, empty if all is well.

    Errors are those that base qualities state, a third of them towards the allele. A variant is expected at the
    largest fraction that tissue showed, or plasma where only plasma did.
    """
    for variant, known in union.items():
        expected = known.largest.get(TUMOUR) or known.largest.get(PLASMA) or None
        found = counted.get(variant)
        row = _row(kind, variant, known, expected)
        if refused or found is None:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": refused or NOT_COUNTABLE}
            continue
        errors = None
        if found.expected_errors is not None and found.depth:
            errors = found.expected_errors / found.depth / 3
        called = kind == TUMOUR and specimen_id in known.called_in
        yield row | _judged(found.depth, found.alt, errors, expected, called, tissue_rules(settings))


def plasma_rows(
    specimen_id: str,
    union: Mapping[Variant, Known],
    counts: MoleculeCounts | None,
    verdict: str | None,
    shed: float | None,
    settings: Settings,
) -> Iterable[dict[str, Any]]:
    """Rows of one plasma. Off its panel version a variant is NOT_ASSAYED; a plasma that sheds nothing excludes nothing.

    A variant is expected at the plasma's own largest tumour fraction, or less where no plasma ever showed so much.
    """
    for variant, known in union.items():
        ceiling = [value for value in (shed, known.largest.get(PLASMA)) if value]
        expected = min(ceiling) if shed else None
        row = _row(PLASMA, variant, known, expected)
        evidence = None if counts is None else counts.evidence(*variant)
        if counts is None:
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": UNKNOWN_PANEL}
        elif counts.region_at(variant.chrom, variant.pos) is None:
            yield row | {"state": str(CallState.NOT_ASSAYED), "reason": "OFF_PANEL"}
        elif evidence is None or variant.kind in ("mnv", "complex"):
            yield row | {"state": str(CallState.NOT_EVALUABLE), "reason": NOT_COUNTABLE}
        else:
            errors = local_errors(counts, variant, settings)
            called = specimen_id in known.called_in
            row |= _judged(evidence.depth, evidence.alt, errors, expected, called, plasma_rules(settings))
            if verdict == Qc.FAIL:
                row |= {"state": str(CallState.NOT_EVALUABLE), "reason": QC_FAIL, "called": False}
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


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
