"""The standard curve against a worked example, a real assay and its own inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.serum.four_pl import FourPL, fit_4pl, subtract_blank
from palbo_assets.serum.plate_reader import read_plates

GOLDEN_DOSE = [4000, 2000, 1000, 500, 250, 125, 62.5, 0]
GOLDEN_OD = [2.412, 1.604, 0.952, 0.531, 0.297, 0.178, 0.121, 0.062]


def test_the_worked_example_gives_its_published_parameters_and_recoveries() -> None:
    curve = fit_4pl(GOLDEN_DOSE, GOLDEN_OD, weight_power=1.0)
    assert (round(curve.a, 4), round(curve.b, 3), round(curve.c), round(curve.d, 3)) == (0.0629, 1.076, 3685, 4.567)
    recovery = 100 * curve.concentration(GOLDEN_OD[:7]) / np.array(GOLDEN_DOSE[:7])
    assert recovery.round(1).tolist() == [99.8, 100.4, 100.1, 99.5, 99.2, 100.0, 104.7]


def test_a_real_assay_gives_the_concentrations_that_its_reader_computed(shared_data: Path) -> None:
    """The reader's own standards less those it masked: the median relative difference is the figure of the docs."""
    path = shared_data / "elisa/elisa_softmax/Assay_2.txt"
    wells = read_plates(path).pivot(index="well", columns="wavelength", values="od").astype(float)
    od = wells[450] - wells[620]
    exported = _exported_standards(path)
    assert len(exported) == 17
    for well, (_, _, value) in exported.items():
        assert od[well] == pytest.approx(value, abs=0.0011)  # the export rounds to 3 decimals
    curve = fit_4pl([dose for dose, _, _ in exported.values()], [od[well] for well in exported], weight_power=0)
    mine = curve.concentration([od[well] for well in exported])
    theirs = np.array([back for _, back, _ in exported.values()])
    difference = np.abs(mine / theirs - 1)
    assert np.median(difference) < 0.005
    assert difference.max() < 0.15


def _exported_standards(path: Path) -> dict[str, tuple[float, float, float]]:
    """well -> nominal, the reader's back-calculated concentration, and its value, for wells that it didn't mask."""
    found: dict[str, tuple[float, float, float]] = {}
    nominal, within = 0.0, False
    for line in path.read_text("latin-1").splitlines():
        cells = [cell.strip() for cell in line.split("\t")]
        within = cells[0] == "Group: Standards" or (within and cells[0] != "~End")
        if within and len(cells) > 5 and cells[3][:1] in tuple("ABCDEFGH") and cells[3][1:].isdigit():
            nominal = float(cells[1]) if cells[1] else nominal
            if nominal > 0 and cells[2] not in ("Masked", "Range?"):
                found[cells[3]] = (nominal, float(cells[2]), float(cells[4]))
    return found


@settings(max_examples=40, deadline=None)
@given(
    b=st.floats(0.6, 2.5),
    c=st.floats(200, 3000),
    d=st.floats(2.0, 6.0),
)
def test_a_curve_without_noise_is_found_again_and_inverts_itself(b: float, c: float, d: float) -> None:
    truth = FourPL(0.02, b, c, d)
    dose = np.array([0, 15.6, 31.2, 62.5, 125, 250, 500, 1000, 2000])
    curve = fit_4pl(dose, truth.response(dose))
    assert curve.concentration(truth.response(dose[1:])) == pytest.approx(dose[1:], rel=0.02)


def test_responses_at_or_beyond_the_asymptotes_have_no_concentration_rather_than_zero() -> None:
    curve = FourPL(0.06, 1.1, 3700, 4.6)
    assert np.isnan(curve.concentration([0.06, 0.0, -1.0, 4.6, 9.0])).all()
    assert curve.concentration(curve.response(250)) == pytest.approx(250)


def test_falling_or_flat_or_too_few_standards_have_no_curve() -> None:
    for dose, od in ((GOLDEN_DOSE, GOLDEN_OD[::-1]), (GOLDEN_DOSE, [0.05] * 8), ([1, 2, 3], [0.1, 0.2, 0.3])):
        with pytest.raises(NotEvaluableError):
            fit_4pl(dose, od)


def test_the_fit_is_the_same_every_time_and_in_any_order_of_the_wells() -> None:
    first = fit_4pl(GOLDEN_DOSE, GOLDEN_OD)
    assert fit_4pl(GOLDEN_DOSE, GOLDEN_OD) == first
    turned = fit_4pl(GOLDEN_DOSE[::-1], GOLDEN_OD[::-1])
    assert turned.c == pytest.approx(first.c, rel=1e-6)


def test_blanks_are_subtracted_as_their_mean() -> None:
    assert subtract_blank([0.5, 0.1], [0.05, 0.07]) == pytest.approx([0.44, 0.04])
