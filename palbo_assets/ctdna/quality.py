"""Whether a plasma's data can be believed: depth, evenness, and what the wet lab says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import GENOME_EQUIVALENTS_PER_NG, Settings
from palbo_assets.ctdna.wet_lab import EDTA, STRECK
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    from palbo_assets.ctdna.molecule_table import Plasma
    from palbo_assets.ctdna.molecules import MoleculeCounts


def panel_depth(counts: MoleculeCounts, settings: Settings) -> dict[str, float | None]:
    """Unique depth over the panel's bases: mean, median, share of bases at the passing depth, and uniformity."""
    import numpy as np

    depth = np.concatenate([region.depth for region in counts.regions])
    mean = float(depth.mean())
    return {
        "unique_depth_mean": mean,
        "unique_depth_median": float(np.median(depth)),
        "share_at_pass_depth": float((depth >= settings.unique_depth_pass).mean()),
        "uniformity": float((depth >= settings.uniform_depth_fraction * mean).mean()) if mean > 0 else 0.0,
        "on_target": counts.reads_on_target / counts.reads if counts.reads else None,
        "family_size_mean": counts.family_size_mean,
        "family_size_least_mean": counts.family_size_least_mean,
    }


def barcode_figures(barcodes: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of ``ctdna_qc`` from `umi.UmiQuality`; empty for a consensus BAM, of which nothing is known."""
    if not barcodes:
        return {}
    same = (
        "molecules",
        "singleton_share",
        "duplex_share",
        "strand_balance",
        "umi_error",
        "umi_collision",
        "umi_with_n",
    )
    return {
        **{name: barcodes[name] for name in same},
        "raw_pairs": barcodes["pairs"],
        "family_sizes": barcodes["distribution"],
        "consensus_reads": 2 * barcodes["molecules"],
    }


def library_figures(plasma: Plasma) -> dict[str, float | None]:
    """What `assess` asks of the reads and families: `fragments.Library`, pairs, molecules and shared ends."""
    reads, barcodes = plasma.reads, plasma.barcodes
    return {
        "raw_depth_mean": reads.get("raw_depth_mean"),
        "fragment_peak_reads_bp": reads.get("fragment_peak_bp"),
        "read_1_length": reads.get("read_1_length"),
        "read_2_length": reads.get("read_2_length"),
        "singleton_share": barcodes.get("singleton_share"),
        "raw_pairs": barcodes.get("pairs"),
        "same_ends": barcodes.get("same_ends"),
    }


def conversion(unique_depth_median: float, input_ng: float | None) -> float | None:
    """Unique molecules per haploid genome equivalent that went into the library; None without a stated input."""
    if input_ng is None or input_ng <= 0:
        return None
    return unique_depth_median / (input_ng * GENOME_EQUIVALENTS_PER_NG)


def assess(
    measured: Mapping[str, float | None], wet_lab: Mapping[str, Any] | None, settings: Settings
) -> tuple[Qc, str]:
    """(verdict, reasons joined by ';'). ``wet_lab``: the plasma's row of ctdna_wet_lab, None where none was sent.

    What the lab didn't state isn't judged, and the reasons say that nothing was stated.
    """
    lab = wet_lab or {}
    depth = measured["unique_depth_median"] or 0.0
    fail = {
        "depth": depth < settings.unique_depth_warn,
        "input": _below(lab.get("input_ng"), settings.input_ng_fail),
        "not_plasma": lab.get("specimen_type") not in (None, "PLASMA"),
        "haemolysis": _above(lab.get("haemolysis_grade"), settings.haemolysis_fail - 1),
        "late_spin": _spun_late(lab, settings),
        "deduplicated_by_position": _deduplicated(measured, settings),
        "read_once_only": measured.get("singleton_share") == 1 or measured["family_size_mean"] == 1,
    }
    warn = {
        "depth": depth < settings.unique_depth_pass,
        "on_target": _below(measured["on_target"], settings.on_target_warn),
        "uniformity": _below(measured["uniformity"], settings.uniformity_warn),
        "family_size": _outside(measured["family_size_mean"], settings.family_size_low, settings.family_size_high),
        "conversion": _below(measured.get("conversion"), settings.conversion_warn),
        "plasma_volume": _below(lab.get("plasma_ml"), settings.plasma_ml_warn),
        "input": _below(lab.get("input_ng"), settings.input_ng_pass),
        "genomic_dna": _above(lab.get("gdna_pct"), settings.gdna_pct_warn),
        "fragment_size": _outside(lab.get("fragment_peak_bp"), settings.fragment_peak_low, settings.fragment_peak_high),
        "fragment_size_of_reads": _outside(
            measured.get("fragment_peak_reads_bp"), settings.fragment_peak_low, settings.fragment_peak_high
        ),
        "raw_depth": _below(measured.get("raw_depth_mean"), settings.raw_depth_warn),
        "read_lengths_differ": _lengths_differ(measured, settings),
    }
    reasons = [name for name, found in fail.items() if found]
    verdict = Qc.FAIL if reasons else Qc.WARN if any(warn.values()) else Qc.PASS
    reasons += [name for name, found in warn.items() if found and name not in reasons]
    if wet_lab is None:
        reasons.append("no_wet_lab_data")
    return verdict, ";".join(reasons)


_OF_LAB = {
    "specimen_type": "specimen_type",
    "plasma_volume": "plasma_ml",
    "input": "input_ng",
    "haemolysis": "haemolysis_grade",
    "fragment_size": "fragment_peak_bp",
    "genomic_dna": "gdna_pct",
}
_OF_READS = {
    "on_target": "on_target",
    "family_size": "family_size_mean",
    "conversion": "conversion",
    "raw_depth": "raw_depth_mean",
    "fragment_size_of_reads": "fragment_peak_reads_bp",
    "read_lengths": "read_2_length",
    "deduplication": "same_ends",
}


def unchecked(measured: Mapping[str, float | None], wet_lab: Mapping[str, Any] | None) -> str:
    """Lines of quality that `assess` couldn't judge, ';'-joined: what wasn't stated or can't be told hasn't passed."""
    lab = wet_lab or {}
    missing = [line for line, name in _OF_LAB.items() if lab.get(name) is None]
    if lab.get("hours_to_spin") is None or lab.get("tube_type") not in (EDTA, STRECK):
        missing.append("late_spin")
    missing += [line for line, name in _OF_READS.items() if measured.get(name) is None]
    return ";".join(missing)


def _spun_late(lab: Mapping[str, Any], settings: Settings) -> bool:
    """Cells burst sooner in EDTA than in a tube that fixes them; of other tubes nothing is known."""
    limits = {EDTA: settings.edta_hours, STRECK: settings.preserving_tube_hours}
    limit = limits.get(lab.get("tube_type", ""))
    return limit is not None and _above(lab.get("hours_to_spin"), limit)


def _deduplicated(measured: Mapping[str, float | None], settings: Settings) -> bool:
    """Raw pairs of which no two share both ends: duplicates were removed by position, and families with them."""
    pairs = measured.get("raw_pairs") or 0
    unique = measured.get("singleton_share") == 1 and measured.get("same_ends") == 0
    return unique and pairs >= settings.deduplication_pairs


def _lengths_differ(measured: Mapping[str, float | None], settings: Settings) -> bool:
    first, second = measured.get("read_1_length"), measured.get("read_2_length")
    return first is not None and second is not None and abs(first - second) > settings.read_length_difference


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def _outside(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high
