"""What the room's steps share: which file is a plasma, its panel, its wet-lab row, its background."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step
from palbo_assets.study.vocabulary import Modality

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from palbo_assets.ctdna.background import Background
    from palbo_assets.ctdna.molecules import MoleculeCounts
    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.landing.files import LandedFile

GROUP = "ctdna"
READS = (str(Modality.CTDNA),)


def plasmas(step: Step) -> list[LandedFile]:
    """One file per plasma: its consensus BAM, else its raw reads."""
    consensus = step.files("consensus_bam")
    called = {file.specimen_id for file in consensus}
    return [*consensus, *(file for file in step.files("raw_umi_bam") if file.specimen_id not in called)]


def run_of_file(path: Path) -> str:
    """The BAM's sequencing run; none where its header can't be read: its own products say so."""
    from palbo_assets.ctdna.controls import run_of

    try:
        return run_of(path)
    except InputError:
        return ""


def panel_of(step: Step, file: LandedFile) -> Panel | None:
    """The panel that the library was captured with: the version its manifest row names, else the only one there is."""
    panels = step.files("panel_bed")
    if not file.panel_version:
        return panel_of_version(step, panels[0].panel_version) if len(panels) == 1 else None
    return panel_of_version(step, file.panel_version)


def panel_of_version(step: Step, version: str) -> Panel | None:
    from palbo_assets.ctdna.panel import read_panel

    bed = bed_of_version(step, version)
    return read_panel(bed.path, version) if bed else None


def bed_of_version(step: Step, version: str) -> LandedFile | None:
    """The BED of a panel version that is in force."""
    named = [bed for bed in step.files("panel_bed") if bed.panel_version == version]
    return named[-1] if named else None


def wet_lab_row(wet_lab: pd.DataFrame, specimen_id: str) -> dict[str, Any] | None:
    """The wet lab's row of the specimen, nulls left out; None where the lab sent none."""
    rows = wet_lab[wet_lab["specimen_id"] == specimen_id]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].dropna().items()}


def sample_keys(step: Step, specimen_id: str) -> dict[str, str]:
    return {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen_id}


def background_of(
    step: Step, counts: MoleculeCounts, panel: Panel, left_out: frozenset[tuple[str, int]], donors: pd.DataFrame
) -> Background:
    """The background of the plasma's panel version: from healthy donors, else the bundle's, else its own bases.

    ``donors``: rows of ctdna_background. Those of another BED under the same version aren't used, nor is the bundle's
    table of another version, and the background's ``reason`` says so. Donors of other versions are none of a plasma's
    business: they don't make its calls due, so nothing here may follow from them.
    """
    from palbo_assets.ctdna.background import estimate_background, read_background
    from palbo_assets.ctdna.healthy_plasmas import background_from

    bed = bed_of_version(step, panel.version)
    here = donors[donors["panel_version"] == panel.version]
    usable = here[here["bed_sha256"] == (bed.sha256 if bed else "")]
    if len(usable):
        return replace(background_from(usable), sha256=str(usable["background_sha256"].iloc[0]))
    table = step.references.get("ctdna_background")
    healthy = None if table is None else read_background(table, step.settings, panel.version)
    if healthy is not None:
        return replace(healthy, sha256=step.references.entry("ctdna_background").sha256)
    reason = "other_bed" if len(here) else "other_panel_version" if table else "no_healthy_plasmas"
    return replace(estimate_background(counts, step.settings, left_out), reason=reason)


def stated_background(background: Background | None) -> dict[str, str | None]:
    """Columns that say which background a row was tested against; nulls where nothing was computed."""
    if background is None:
        return {"background": None, "background_sha256": None, "background_reason": None}
    return {
        "background": background.source,
        "background_sha256": background.sha256 or None,
        "background_reason": background.reason or None,
    }
