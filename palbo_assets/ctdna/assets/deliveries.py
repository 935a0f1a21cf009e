"""What labs deliver for many plasmas at once: the wet lab's figures and the panel versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import GROUP, READS, bed_of_version
from palbo_assets.ctdna.tables import CTDNA_BACKGROUND, CTDNA_PANELS, CTDNA_WET_LAB
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT

if TYPE_CHECKING:
    import pandas as pd


@product(
    CTDNA_WET_LAB,
    BATCH,
    reads=READS,
    roles=("wet_lab",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"csv", "sql"},
)
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


@product(
    CTDNA_BACKGROUND,
    COHORT,
    reads=READS,
    roles=("healthy_plasma_bam", "panel_bed"),
    references=("genome_fasta",),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"bam", "scipy", "parquet"},
    by_panel="background_sha256",
)
def ctdna_background(step: Step) -> pd.DataFrame:
    """How often molecules err on each panel version, from plasmas of healthy donors: what calls are tested against."""
    import pandas as pd

    from palbo_assets.ctdna.healthy_plasmas import fingerprint, fit_background
    from palbo_assets.ctdna.molecules import count_molecules, fasta_reference
    from palbo_assets.ctdna.panel import read_panel
    from palbo_assets.platform.tables import coerce, empty_frame

    fasta = step.references.get("genome_fasta")
    delivered = sorted(step.files("healthy_plasma_bam"), key=lambda file: file.sha256)
    frames, left_out = [], []
    for version in sorted({file.panel_version for file in delivered}):
        files = [file for file in delivered if file.panel_version == version]
        bed = bed_of_version(step, version)
        if fasta is None or bed is None or len(files) < step.settings.min_healthy_plasmas:
            left_out.append(version)
            continue
        panel, bases = read_panel(bed.path, version), fasta_reference(fasta)
        donors = [count_molecules(file.path, panel, bases, step.settings) for file in files]
        rows = fit_background(donors, step.settings)
        frames.append(
            rows.assign(
                panel_version=version,
                rate=rows["alpha"] / (rows["alpha"] + rows["beta"]),
                plasmas=len(donors),
                bed_sha256=bed.sha256,
                background_sha256=fingerprint(rows, version, bed.sha256),
            )
        )
    step.report(donors=len(delivered), versions=len(frames), versions_without=",".join(left_out))
    return coerce(CTDNA_BACKGROUND, pd.concat(frames, ignore_index=True)) if frames else empty_frame(CTDNA_BACKGROUND)
