"""New targets that the trial's own findings ask for: the protocol's panel extension.

A locus earns a target when an alteration that was acquired under treatment, believed, and not covered by the current
panel, was seen in several patients, or in one with a driver (a hotspot, or loss of function in a resistance gene).
Plasmas that were run on the old panel say nothing about the new loci: their state there stays NOT_ASSAYED, and a panel
that was extended from this cohort can't be evaluated on the same patients without saying so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.resistance.settings import ExtensionSettings
from palbo_assets.study.vocabulary import CHOSEN_FROM_COHORT

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ReferenceBases = Callable[[str, int, int], str]
"""Bases of a 0-based half-open interval, upper case; fewer where the contig ends."""

Position = Callable[[str, int], bool]
"""Whether a 1-based position has a property."""

ALTERATION_COLUMNS = ("gene", "chrom", "pos", "hgvsp_short", "patient_id", "lof", "hotspot", "confident")
RECURRENT_VARIANT, RECURRENT_GENE, HOTSPOT, LOSS = (
    "recurrent_variant", "recurrent_gene", "driver_hotspot", "driver_loss_of_function",
)  # fmt: skip
GROUNDS = (RECURRENT_VARIANT, RECURRENT_GENE, HOTSPOT, LOSS)
MAPPABLE, UNMAPPABLE, MAPPABILITY_UNKNOWN = "ok", "low", "unknown"
GC_OK, GC_LOW, GC_HIGH, GC_UNKNOWN = "ok", "low", "high", "unknown"
RUN_OK, RUN_LONG, RUN_UNKNOWN = "ok", "long", "unknown"


@dataclass(frozen=True)
class ProposedTarget:
    """A BED interval (0-based half-open) with its grounds. ``size_delta_bp``: bases that it adds to the panel."""

    chrom: str
    start: int
    end: int
    gene: str
    reason: str
    source_patients: str
    n_patients: int
    variants: str
    gc_pct: float | None
    gc_flag: str
    mappable_pct: float | None
    mappability_flag: str
    size_delta_bp: int
    base_panel_version: str
    longest_run_bp: int | None = None
    homopolymer_flag: str = RUN_UNKNOWN
    pseudogene_flag: bool = False
    circularity: str = CHOSEN_FROM_COHORT


@dataclass(frozen=True)
class Coverage:
    """The bases that one panel version has."""

    version: str = ""
    by_chrom: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # starts (sorted), ends

    def within(self, chrom: str, start: int, end: int) -> int:
        """Covered bases of a 0-based half-open interval, each counted once however regions overlap."""
        if chrom not in self.by_chrom:
            return 0
        starts, ends = self.by_chrom[chrom]
        touched = (starts < end) & (ends > start)
        found, reached = 0, start
        for region_start, region_end in zip(starts[touched], ends[touched], strict=True):
            found += max(0, min(end, int(region_end)) - max(reached, int(region_start)))
            reached = max(reached, int(region_end))
        return found

    @property
    def size(self) -> int:
        """Bases of the whole panel."""
        return sum(self.within(chrom, 0, int(ends.max())) for chrom, (_, ends) in self.by_chrom.items())


def newest_panel(ctdna_panels: pd.DataFrame) -> Coverage | None:
    """The highest panel version in ``ctdna_panels`` (any of its rows); None where it has none.

    Numbers inside a version count as numbers (v10 follows v9). Of two BEDs of one version the last by hash counts, as
    it does where plasmas are called.
    """
    if ctdna_panels.empty:
        return None
    rows = bed_in_force(ctdna_panels)
    version = rows["panel_version"].iloc[0]
    regions = rows.sort_values(["chrom", "start", "end"]).groupby("chrom")
    return Coverage(
        str(version),
        {str(chrom): (of["start"].to_numpy(dtype="int64"), of["end"].to_numpy(dtype="int64")) for chrom, of in regions},
    )


def bed_in_force(ctdna_panels: pd.DataFrame, version: str = "") -> pd.DataFrame:
    """Rows of the BED that counts for ``version``, or for the highest one that is there; the table has rows."""
    beds = {
        (str(name), str(sha256))
        for name, sha256 in zip(ctdna_panels["panel_version"], ctdna_panels["bed_sha256"], strict=True)
        if not version or name == version
    }
    name, sha256 = max(beds, key=lambda bed: (version_order(bed[0]), bed[1]))
    return ctdna_panels[(ctdna_panels["panel_version"] == name) & (ctdna_panels["bed_sha256"] == sha256)]


def version_order(version: str) -> list[tuple[int, int, str]]:
    """Sorts panel versions: numbers inside a version count as numbers."""
    parts = re.split(r"(\d+)", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part]


def propose_targets(
    alterations: pd.DataFrame,
    panel: Coverage,
    settings: ExtensionSettings,
    reference: ReferenceBases | None = None,
    mappable: Position | None = None,
) -> list[ProposedTarget]:
    """Targets to add to ``panel``, in genome order.

    Parameters
    ----------
    alterations
        Acquired alterations, one row per patient and alteration, columns `ALTERATION_COLUMNS`: ``pos`` 1-based;
        ``lof``, ``hotspot`` and ``confident`` (enough molecules, neither from blood nor a fixation artefact) boolean.
        Rows that aren't confident, and loci that the panel covers, are left out.
    reference
        Bases of the genome for GC and the contig's end; without it GC is unknown.
    mappable
        Whether a 1-based position maps uniquely and lies in no blacklisted region; without it mappability is unknown.
    """
    import pandas as pd

    missing = [name for name in ALTERATION_COLUMNS if name not in alterations.columns]
    if missing:
        raise ValueError(f"alterations lack the columns {missing}")
    rows = alterations[list(ALTERATION_COLUMNS)].drop_duplicates()
    rows = rows[rows["confident"].fillna(False).astype(bool)]
    uncovered = [
        not panel.within(str(chrom), int(pos) - 1, int(pos))
        for chrom, pos in zip(rows["chrom"], rows["pos"], strict=True)
    ]
    rows = rows[pd.Series(uncovered, index=rows.index, dtype=bool)]
    if rows.empty:
        return []
    patients_of_variant = rows.groupby(["chrom", "pos", "hgvsp_short"], dropna=False)["patient_id"].transform("nunique")
    patients_of_gene = rows.groupby("gene", dropna=False)["patient_id"].transform("nunique")
    enough = settings.extension_patients
    grounds = {
        RECURRENT_VARIANT: patients_of_variant >= enough,
        RECURRENT_GENE: patients_of_gene >= enough,
        HOTSPOT: rows["hotspot"].fillna(False).astype(bool),
        LOSS: rows["lof"].fillna(False).astype(bool) & rows["gene"].isin(settings.lof_driver_genes),
    }
    rows = rows.assign(**grounds)[pd.DataFrame(grounds).any(axis=1)]
    rows = rows.sort_values(["chrom", "pos", "gene", "hgvsp_short", "patient_id"], kind="stable")
    return [_target(group, panel, settings, reference, mappable) for group in _clusters(rows, settings)]


def _clusters(rows: pd.DataFrame, settings: ExtensionSettings) -> list[pd.DataFrame]:
    """Rows whose probe windows lie within the merging gap of each other."""
    groups: list[list[int]] = []
    last: tuple[str, int] | None = None
    reach = 2 * settings.probe_flank + 1 + settings.merge_gap  # between loci whose windows are merge_gap apart
    for index, (chrom, pos) in enumerate(zip(rows["chrom"], rows["pos"], strict=True)):
        if last is not None and last[0] == chrom and pos - last[1] <= reach:
            groups[-1].append(index)
        else:
            groups.append([index])
        last = (chrom, pos)
    return [rows.iloc[group] for group in groups]


def _target(
    group: pd.DataFrame,
    panel: Coverage,
    settings: ExtensionSettings,
    reference: ReferenceBases | None,
    mappable: Position | None,
) -> ProposedTarget:
    chrom = str(group["chrom"].iloc[0])
    start = max(int(group["pos"].min()) - 1 - settings.probe_flank, 0)
    end = int(group["pos"].max()) + settings.probe_flank
    gc_pct, gc_flag = None, GC_UNKNOWN
    run, run_flag = None, RUN_UNKNOWN
    if reference is not None:
        bases = reference(chrom, start, end)
        end = start + len(bases)  # a FASTA gives no more than the contig has
        known = sum(bases.count(base) for base in "ACGT")
        if known:
            run = longest_run(bases)
            run_flag = RUN_LONG if run >= settings.homopolymer_bases else RUN_OK
            gc_pct = 100.0 * (bases.count("G") + bases.count("C")) / known
            gc_flag = GC_LOW if gc_pct < settings.gc_low_pct else GC_HIGH if gc_pct > settings.gc_high_pct else GC_OK
    mappable_pct, mappability_flag = None, MAPPABILITY_UNKNOWN
    if mappable is not None:
        mappable_pct = 100.0 * sum(mappable(chrom, pos) for pos in range(start + 1, end + 1)) / max(end - start, 1)
        mappability_flag = MAPPABLE if mappable_pct >= settings.mappable_pct_min else UNMAPPABLE
    patients = sorted({str(patient) for patient in group["patient_id"]})
    variants = [
        f"{gene} {change}" if change else str(gene)
        for gene, change in zip(group["gene"], group["hgvsp_short"].fillna(""), strict=True)
    ]
    return ProposedTarget(
        chrom=chrom,
        start=start,
        end=end,
        gene=",".join(dict.fromkeys(str(gene) for gene in group["gene"])),
        reason=";".join(name for name in GROUNDS if bool(group[name].any())),
        source_patients=";".join(patients),
        n_patients=len(patients),
        variants=";".join(dict.fromkeys(variants)),
        gc_pct=gc_pct,
        gc_flag=gc_flag,
        mappable_pct=mappable_pct,
        mappability_flag=mappability_flag,
        size_delta_bp=end - start - panel.within(chrom, start, end),
        base_panel_version=panel.version,
        longest_run_bp=run,
        homopolymer_flag=run_flag,
        pseudogene_flag=not set(settings.pseudogene_genes).isdisjoint(str(gene) for gene in group["gene"]),
    )


def longest_run(bases: str) -> int:
    """Length of the longest homopolymer of A, C, G or T; 0 without such a base."""
    return max((len(found[0]) for found in re.finditer(r"([ACGT])\1*", bases)), default=0)


def mappable_positions(mappability: Path | None, blacklist: Path | None) -> Position | None:
    """Positions that the bundle's mappability BED holds and its blacklist doesn't; None without either."""
    if mappability is None and blacklist is None:
        return None
    from palbo_assets.genomics.site_lists import Mask

    inside = None if mappability is None else Mask(mappability)
    outside = None if blacklist is None else Mask(blacklist)

    def holds(chrom: str, pos: int) -> bool:
        return (inside is None or inside.holds(chrom, pos)) and not (outside is not None and outside.holds(chrom, pos))

    return holds


@contextmanager
def genome_bases(fasta: Path | None) -> Iterator[ReferenceBases | None]:
    """The genome's bases as a function; None without a FASTA."""
    if fasta is None:
        yield None
        return
    import pysam

    with pysam.FastaFile(str(fasta)) as genome:
        lengths = dict(zip(genome.references, genome.lengths, strict=True))

        def fetch(chrom: str, start: int, end: int) -> str:
            if start >= lengths.get(chrom, 0):
                return ""
            return str(genome.fetch(chrom, start, min(end, lengths[chrom]))).upper()

        yield fetch
