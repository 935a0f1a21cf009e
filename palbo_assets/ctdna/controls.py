"""Control samples of a sequencing run: no-template controls and reference standards of known allele fractions.

A control is prepared and sequenced with the run's plasmas, so what it shows holds for them. No template must give no
molecules: what it gives came from other libraries. A standard must show its alleles where its depth could, at the
fraction that its maker states. Controls are no patients: none of their alleles is anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.consensus_reads import BASES
from palbo_assets.ctdna.fitness_settings import FitnessSettings
from palbo_assets.ctdna.power import detection_power
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    from palbo_assets.ctdna.molecules import MoleculeCounts
    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.ctdna.settings import Settings

NO_TEMPLATE = "NTC"
"""Material of a control without DNA, as the manifest names it (any spelling of its letters)."""
TEMPLATE_FOUND, MISSED, OTHER_FRACTION = "molecules_without_template", "missed", "other_fraction"
LOW_POWER, OFF_PANEL, UNKNOWN_MATERIAL, UNKNOWN_PANEL = "low_power", "off_panel", "unknown_material", "unknown_panel"
COLUMNS = ("material", "chrom", "pos", "ref", "alt", "vaf", "gene", "hgvsp_short")


@dataclass(frozen=True)
class ControlAllele:
    """An allele of a reference standard: 1-based VCF, left-aligned, with the fraction that its maker states."""

    chrom: str
    pos: int
    ref: str
    alt: str
    vaf: float
    gene: str = ""
    hgvsp_short: str = ""


def read_control_alleles(path: Path) -> dict[str, list[ControlAllele]]:
    """The bundle's table of standards (CSV `COLUMNS`): material -> its alleles.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column.
    """
    from palbo_assets.platform.text import read_table

    table = read_table(path, required=COLUMNS[:6])
    found: dict[str, list[ControlAllele]] = {}
    for row, cells in table.iterrows():
        for column, allowed in (("material", bool), ("chrom", bool), ("pos", str.isdigit), ("ref", _is_allele),
                                ("alt", _is_allele), ("vaf", _is_fraction)):  # fmt: skip
            if not allowed(cells[column]):
                raise InputError(
                    "E_SCHEMA", "the cell can't be read", file=path.name, row=int(str(row)), column=column,
                    fix="pos is a whole number, ref and alt are bases, vaf is a fraction above 0 and up to 1",
                )  # fmt: skip
        allele = ControlAllele(
            cells["chrom"], int(cells["pos"]), cells["ref"], cells["alt"], float(cells["vaf"]),
            str(cells.get("gene", "")), str(cells.get("hgvsp_short", "")),
        )  # fmt: skip
        found.setdefault(cells["material"], []).append(allele)
    return found


def _is_allele(cell: str) -> bool:
    return bool(cell) and set(cell) <= set(BASES)


def _is_fraction(cell: str) -> bool:
    try:
        return 0 < float(cell) <= 1
    except ValueError:
        return False


def no_template_row(counts: MoleculeCounts, settings: Settings) -> dict[str, Any]:
    """Columns of ``ctdna_controls`` for a control without DNA: its molecules a panel base, and the verdict."""
    import numpy as np

    depth = float(np.concatenate([region.depth for region in counts.regions]).mean())
    share = depth / settings.unique_depth_pass
    verdict = Qc.PASS
    if share > settings.no_template_warn:
        verdict = Qc.FAIL if share > settings.no_template_fail else Qc.WARN
    reason = "" if verdict is Qc.PASS else TEMPLATE_FOUND
    return {"element": "molecules", "molecules": depth, "verdict": str(verdict), "reason": reason}


def standard_rows(
    counts: MoleculeCounts, panel: Panel, alleles: Iterable[ControlAllele], settings: Settings
) -> list[dict[str, Any]]:
    """Columns of ``ctdna_controls`` for each expected allele of a standard.

    ``fail``: fewer molecules than make a call, though the stated fraction would have shown them with the required
    power. ``warn``: the exact 95 % interval of the measured fraction lies wholly outside the stated one's tolerance.
    Without the power, or off the panel, there is no verdict.
    """
    rows = []
    for allele in alleles:
        key = (allele.chrom, allele.pos, allele.ref, allele.alt)
        row: dict[str, Any] = {
            "element": f"{allele.chrom}:{allele.pos}:{allele.ref}>{allele.alt}",
            "chrom": allele.chrom, "pos": allele.pos, "ref": allele.ref, "alt": allele.alt,
            "gene": allele.gene or None, "hgvsp_short": allele.hgvsp_short or None, "expected_vaf": allele.vaf,
        }  # fmt: skip
        seen = counts.evidence(*key) if panel.covers(allele.chrom, allele.pos) else None
        if seen is None:
            rows.append(row | {"verdict": None, "reason": OFF_PANEL})
            continue
        row |= {"unique_depth": seen.depth, "alt_molecules": seen.alt}
        row["power"] = detection_power(seen.depth, allele.vaf, settings.min_alt_tracked)
        low, high = interval(seen.alt, seen.depth)
        row |= {"vaf": seen.alt / seen.depth if seen.depth else None, "vaf_low": low, "vaf_high": high}
        rows.append(row | _judged(seen.alt, allele.vaf, row["power"], low, high, settings))
    return rows


def _judged(
    alt: int, stated: float, power: float, low: float, high: float, settings: Settings
) -> dict[str, str | None]:
    if alt < settings.min_alt_tracked:
        powered = power >= settings.required_power
        return {"verdict": str(Qc.FAIL) if powered else None, "reason": MISSED if powered else LOW_POWER}
    tolerance = settings.control_vaf_tolerance
    if low > stated * (1 + tolerance) or high < stated * (1 - tolerance):
        return {"verdict": str(Qc.WARN), "reason": OTHER_FRACTION}
    return {"verdict": str(Qc.PASS), "reason": ""}


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a share (Clopper and Pearson 1934, Biometrika)."""
    from scipy.stats import beta

    low = 0.0 if successes == 0 else float(beta.ppf(0.025, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(0.975, successes + 1, trials - successes))
    return low, high


def verdict_of_run(rows: Sequence[Mapping[str, Any]], settings: FitnessSettings) -> tuple[Qc | None, tuple[str, ...]]:
    """(verdict, reasons) of one run from its controls' rows; no verdict where no row has one.

    One of many alleles may be missed by chance: each has the required power. So missed ones fail a run where chance
    makes as many with p < ``control_alpha``, and warn otherwise.
    """
    from scipy.stats import binom

    judged = [row for row in rows if row["verdict"] is not None]
    if not judged:
        return None, ()
    missed = sum(row["reason"] == MISSED for row in judged)
    expected = sum(row["element"] != "molecules" for row in judged)
    verdicts = [Qc(row["verdict"]) for row in judged if row["reason"] != MISSED]
    if missed:
        by_chance = float(binom.sf(missed - 1, expected, settings.control_missed_by_chance))
        verdicts.append(Qc.FAIL if by_chance < settings.control_alpha else Qc.WARN)
    worst = next(one for one in (Qc.FAIL, Qc.WARN, Qc.PASS) if one in verdicts)
    return worst, tuple(sorted({str(row["reason"]) for row in judged if row["reason"]}))


def run_of(path: Path) -> str:
    """Sequencing run of a BAM: the flowcell in its read groups' PU (flowcell.lane.barcode, SAM specification 1.3).

    Empty where no read group states it, or where they state several runs: then nobody can tell which run's controls
    speak of the reads.
    """
    from palbo_assets.genomics.bgzf import bam_header

    text = bam_header(path).text.rstrip("\0")
    fields = (line.split("\t") for line in text.splitlines() if line.startswith("@RG\t"))
    runs = {field[3:].split(".")[0].strip() for line in fields for field in line if field.startswith("PU:")}
    return runs.pop() if len(runs) == 1 else ""
