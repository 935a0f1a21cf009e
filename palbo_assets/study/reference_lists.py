"""The bundle's lists of places that DNA is read with, held to the study's build before a step relies on them."""

from __future__ import annotations

from collections.abc import Iterable

from palbo_assets.genomics.list_build import Layout, hold_to_build
from palbo_assets.platform.product import Step

LAYOUTS = {
    "target_bed": Layout.BED,
    "blacklist_bed": Layout.BED,
    "mappability_bed": Layout.BED,
    "snp_bed": Layout.SNP_BED,
    "panel_of_normals": Layout.SITES_VCF,
    "population_af": Layout.SITES_VCF,
    "hotspots": Layout.HOTSPOTS,
    "hotspot_sites": Layout.HOTSPOTS,
    "ctdna_control_alleles": Layout.HOTSPOTS,
}


def hold_lists_to_build(step: Step, names: Iterable[str]) -> None:
    """Refuse what the bundle has of these lists where it is of another build; nothing is compared without a genome.

    Raises
    ------
    InputError
        As `hold_to_build`.
    """
    fasta = step.references.get("genome_fasta")
    for name in names:
        path = step.references.get(name)
        if path is not None and fasta is not None:
            settings = step.settings
            hold_to_build(
                path,
                LAYOUTS[name],
                fasta,
                most_rows=settings.list_most_rows,
                max_differing=settings.list_max_differing,
            )
