"""What labs deliver for many plasmas at once: the wet lab's figures and the panel versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.assets.steps import GROUP, READS
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_PANELS, CTDNA_WET_LAB
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT

if TYPE_CHECKING:
    import pandas as pd


@product(CTDNA_WET_LAB, BATCH, reads=READS, settings=Settings, code_version="1", group=GROUP, kinds={"csv", "sql"})
def ctdna_wet_lab(step: Step) -> pd.DataFrame:
    """Plasma volume, cfDNA concentration, library input and haemolysis of each plasma, as the wet lab states them."""
    from palbo_assets.ctdna.wet_lab import read_wet_lab

    rows = [row for file in step.files("wet_lab") for row in read_wet_lab(file.path)]
    step.report(plasmas=len(rows))
    return frame_from_rows(CTDNA_WET_LAB, rows)


@product(CTDNA_PANELS, COHORT, reads=READS, roles=("panel_bed",), code_version="1", group=GROUP, kinds={"bed", "sql"})
def ctdna_panels(step: Step) -> pd.DataFrame:
    """Regions of the panel versions in force: what an assay of that version can say something about."""
    from palbo_assets.ctdna.panel import read_panel

    rows: list[dict[str, Any]] = []
    for file in step.files("panel_bed"):
        panel = read_panel(file.path, file.panel_version)
        for number, target in enumerate(panel.targets, start=1):
            stated = {name: None if value == "" else value for name, value in asdict(target).items()}
            rows.append({"panel_version": panel.version, "bed_sha256": file.sha256, "region": number, **stated})
    step.report(panels=len(step.files("panel_bed")), regions=len(rows))
    return frame_from_rows(CTDNA_PANELS, rows)
