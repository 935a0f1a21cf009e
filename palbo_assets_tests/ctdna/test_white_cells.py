"""Origins: planted clones of blood cells and germline alleles are told from the tumour's, with power or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.white_cells import CHIP, GERMLINE, TUMOUR, UNRESOLVED, origin_of
from palbo_assets.genomics.large_clone import heterozygous_at_most


@pytest.mark.parametrize(
    ("plasma", "white", "origin", "reason"),
    [
        ((40, 2000), (0, 1500), TUMOUR, "white_cells_free_of_it"),
        ((40, 2000), (25, 1500), CHIP, "in_white_cells"),
        ((1000, 2000), (48, 100), GERMLINE, "in_white_cells"),
        ((1990, 2000), (100, 100), GERMLINE, "in_white_cells"),
        ((600, 2000), (8, 1500), TUMOUR, "far_less_in_white_cells"),
        ((10, 2000), (0, 60), UNRESOLVED, "white_cells_too_shallow"),
        ((10, 2000), (None, None), UNRESOLVED, "no_white_cells"),
        ((10, 2000), (0, 0), UNRESOLVED, "no_white_cells"),
    ],
)
def test_an_allele_is_attributed(
    plasma: tuple[int, int], white: tuple[int | None, int | None], origin: str, reason: str
) -> None:
    found = origin_of(*plasma, *white, Settings())
    assert (found.origin, found.reason) == (origin, reason)


def test_tissue_decides_only_where_white_cells_can_not() -> None:
    assert origin_of(10, 2000, 0, 60, Settings(), in_tissue=True)[:2] == (TUMOUR, "called_in_tissue")
    assert origin_of(40, 2000, 25, 1500, Settings(), in_tissue=True).origin == CHIP


def test_planted_clones_and_germline_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    settings = Settings()
    planted = {CHIP: (0.02, 0.02), GERMLINE: (0.5, 0.5), TUMOUR: (0.02, 0.0)}
    for origin, (in_plasma, in_white) in planted.items():
        found = []
        for _ in range(200):
            white = int(rng.binomial(1000, in_white + 3e-4))
            found.append(origin_of(int(rng.binomial(2500, in_plasma)), 2500, white, 1000, settings).origin)
        assert found.count(origin) >= 190, (origin, found.count(origin))
        assert not (origin != TUMOUR and TUMOUR in found and found.count(TUMOUR) > 2)


def test_large_clones_in_their_genes_are_no_germline_and_heterozygous_variants_are() -> None:
    """Clones at 20 to 33 % of 400 fragments, against heterozygous variants that scatter and lack alternative reads."""
    rng = np.random.default_rng(3)
    settings = Settings()

    def origins(fractions: np.ndarray, *, chip_gene: bool) -> list[str]:
        found = []
        for fraction in fractions:
            plasma, white = int(rng.binomial(2500, fraction)), int(rng.binomial(400, fraction))
            found.append(origin_of(plasma, 2500, white, 400, settings, chip_gene=chip_gene, in_tissue=True).origin)
        return found

    clones = rng.uniform(0.2, 0.33, size=300)
    heterozygous = rng.beta(48, 52, size=300)
    assert origins(clones, chip_gene=True).count(CHIP) >= 285
    assert TUMOUR not in origins(clones, chip_gene=False)
    of_germline = origins(heterozygous, chip_gene=True)
    assert of_germline.count(GERMLINE) >= 290 and TUMOUR not in of_germline
    assert origin_of(900, 2500, 12, 36, settings, chip_gene=True).origin == GERMLINE  # too shallow to tell


@pytest.mark.parametrize(("alt", "depth"), [(0, 5), (3, 20), (60, 200), (250, 500)])
def test_the_heterozygous_tail_is_the_beta_binomial_one(alt: int, depth: int) -> None:
    assert heterozygous_at_most(alt, depth, 0.48, 100.0) == pytest.approx(
        stats.betabinom.cdf(alt, depth, 48.0, 52.0), rel=1e-8
    )
