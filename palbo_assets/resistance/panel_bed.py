"""The next version of the plasma panel as the BED that a lab orders: today's regions and the proposed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError
from palbo_assets.resistance.panel_extension import RUN_LONG, bed_in_force, version_order
from palbo_assets.study.vocabulary import CHOSEN_FROM_COHORT

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("chrom", "start", "end", "gene", "exon", "panel_version", "reason")
"""What the landing reads of a ``panel_bed``: delivered under the new version, the file closes the loop."""


def grounds(target: dict[Any, Any]) -> str:
    """A target's grounds, how many patients it is from, that it was chosen from them, and what its reads must fear."""
    doubts = [
        name
        for name, found in (
            (f"gc_{target['gc_flag']}", target["gc_flag"] in ("low", "high")),
            ("mappability_low", target["mappability_flag"] == "low"),
            ("homopolymer", target["homopolymer_flag"] == RUN_LONG),
            ("pseudogene", bool(target["pseudogene_flag"])),
        )
        if found
    ]
    return ";".join([target["reason"], f"n={target['n_patients']}", CHOSEN_FROM_COHORT, *doubts])


def next_panel_bed(ctdna_panels: pd.DataFrame, extension: pd.DataFrame, version: str) -> str:
    """The text of the BED of ``version``: the regions of the panel that was extended, then the proposed targets.

    A region keeps the version that introduced it; a target carries the new one, its grounds, and the number of patients
    that it is from. Regions are in the order of the old BED, targets in genome order.

    Raises
    ------
    InputError
        ``E_NO_PANEL`` when no panel is there; ``E_PANEL_VERSION`` when ``version`` doesn't follow the extended one,
        or exists already.
    """
    if ctdna_panels.empty:
        raise InputError("E_NO_PANEL", "there is no panel to extend", fix="deliver the panel's BED first")
    known = sorted({str(name) for name in ctdna_panels["panel_version"]}, key=version_order)
    base = str(extension["base_panel_version"].iloc[0]) if len(extension) else known[-1]
    if not version or "\t" in version or version_order(version) <= version_order(known[-1]):
        raise InputError(
            "E_PANEL_VERSION", f"the next version must follow {known[-1]}", fix="name a higher one, as v2 after v1"
        )
    of_base = bed_in_force(ctdna_panels, base).sort_values("region")
    rows = [
        (row["chrom"], row["start"], row["end"], row["gene"], row["exon"], row["since"], row["reason"])
        for row in _plain(of_base)
    ]
    rows += [
        (row["chrom"], row["start"], row["end"], row["gene"], "", version, grounds(row))
        for row in _plain(extension.sort_values(["chrom", "start", "end"]))
    ]
    lines = ["#" + "\t".join(COLUMNS), *("\t".join(str(cell) or "." for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def _plain(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows with "" for what is null."""
    found: list[dict[Any, Any]] = rows.astype(object).where(rows.notna(), "").to_dict("records")
    return found
