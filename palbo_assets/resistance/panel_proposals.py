"""The panel's extension: what the resistance room found, proposed by the plasma room's own rule.

The one place where this room calls another room's method: the panel and the grounds for a target are the plasma
room's, the acquired alterations are this one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from palbo_assets.ctdna.settings import Settings as PanelSettings
from palbo_assets.ctdna.tables import CTDNA_PANEL_EXTENSION
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.tables import RESISTANCE_TRANSITIONS
from palbo_assets.study.partitions import COHORT
from palbo_assets.wes.tables import FORCED_GENOTYPES, SOMATIC_CALLS

if TYPE_CHECKING:
    import pandas as pd


class ExtensionSettings(Settings):
    """The room's settings, and the plasma room's for proposals (key ``panel``)."""

    panel: PanelSettings = Field(default_factory=PanelSettings)


@product(
    CTDNA_PANEL_EXTENSION,
    COHORT,
    reads=("ctdna",),
    upstream=(RESISTANCE_TRANSITIONS, SOMATIC_CALLS, FORCED_GENOTYPES),
    references=("genome_fasta",),
    settings=ExtensionSettings,
    code_version="1",
    group="resistance",
    kinds={"pandas", "sql"},
)
def ctdna_panel_extension(
    step: Step,
    resistance_transitions: pd.DataFrame,
    somatic_calls: pd.DataFrame,
    forced_genotypes: pd.DataFrame,
) -> pd.DataFrame:
    """Targets to add to the newest panel: alterations acquired in this cohort that it doesn't cover.

    Plasmas that were run on an older panel say nothing about them, and the extended panel can't be evaluated on the
    same patients without saying so.
    """
    from dataclasses import asdict

    from palbo_assets.ctdna.panel import read_panel
    from palbo_assets.ctdna.panel_extension import propose_targets
    from palbo_assets.resistance.acquired import acquired_alterations, blocked_patients, newest_panel

    beds = step.files("panel_bed")
    step.report(panels=len(beds))
    if not beds:
        return frame_from_rows(CTDNA_PANEL_EXTENSION, [])
    newest = newest_panel(beds)
    panel = read_panel(newest.path, newest.panel_version)
    alterations = acquired_alterations(
        somatic_calls, forced_genotypes, blocked_patients(resistance_transitions), step.settings
    )
    with _bases(step) as reference:
        targets = propose_targets(alterations, panel, step.settings.panel, reference)
    added = sum(target.size_delta_bp for target in targets)
    step.report(acquired=len(alterations), targets=len(targets), added_bp=added, panel_bp=panel.size)
    return frame_from_rows(CTDNA_PANEL_EXTENSION, [asdict(target) for target in targets])


@contextmanager
def _bases(step: Step) -> Iterator[Callable[[str, int, int], str] | None]:
    """The genome's bases as a function (0-based half-open), or None where the bundle has no genome."""
    path = step.references.get("genome_fasta")
    if path is None:
        yield None
        return
    import pysam

    with pysam.FastaFile(str(path)) as fasta:
        lengths = dict(zip(fasta.references, fasta.lengths, strict=True))

        def fetch(chrom: str, start: int, end: int) -> str:
            if start >= lengths.get(chrom, 0):
                return ""
            return str(fasta.fetch(chrom, start, min(end, lengths[chrom]))).upper()

        yield fetch
