"""The standard curve against a worked example, a real assay and its own inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.serum.plate_reader import read_plates
from palbo_assets.serum.standard_curve import (
    FIVE,
    FOUR,
    StandardCurve,
    fit_by_scipy,
    fit_standard_curve,
    starting_point,
    subtract_blank,
)

GOLDEN_DOSE = [4000, 2000, 1000, 500, 250, 125, 62.5, 0]
GOLDEN_OD = [2.412, 1.604, 0.952, 0.531, 0.297, 0.178, 0.121, 0.062]


def test_the_worked_example_gives_its_published_parameters_and_recoveries() -> None:
    curve = fit_standard_curve(GOLDEN_DOSE, GOLDEN_OD, weight_power=1.0)
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
    curve = fit_standard_curve(
        [dose for dose, _, _ in exported.values()], [od[well] for well in exported], weight_power=0
    )
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
    truth = StandardCurve(0.02, b, c, d)
    dose = np.array([0, 15.6, 31.2, 62.5, 125, 250, 500, 1000, 2000])
    curve = fit_standard_curve(dose, truth.response(dose))
    assert curve.concentration(truth.response(dose[1:])) == pytest.approx(dose[1:], rel=0.02)


def test_responses_at_or_beyond_the_asymptotes_have_no_concentration_rather_than_zero() -> None:
    curve = StandardCurve(0.06, 1.1, 3700, 4.6)
    assert np.isnan(curve.concentration([0.06, 0.0, -1.0, 4.6, 9.0])).all()
    assert curve.concentration(curve.response(250)) == pytest.approx(250)


def test_falling_or_flat_or_too_few_standards_have_no_curve() -> None:
    for dose, od in ((GOLDEN_DOSE, GOLDEN_OD[::-1]), (GOLDEN_DOSE, [0.05] * 8), ([1, 2, 3], [0.1, 0.2, 0.3])):
        with pytest.raises(NotEvaluableError):
            fit_standard_curve(dose, od)


def test_the_fit_is_the_same_every_time_and_in_any_order_of_the_wells() -> None:
    first = fit_standard_curve(GOLDEN_DOSE, GOLDEN_OD)
    assert fit_standard_curve(GOLDEN_DOSE, GOLDEN_OD) == first
    turned = fit_standard_curve(GOLDEN_DOSE[::-1], GOLDEN_OD[::-1])
    assert turned.c == pytest.approx(first.c, rel=1e-6)


def test_blanks_are_subtracted_as_their_mean() -> None:
    assert subtract_blank([0.5, 0.1], [0.05, 0.07]) == pytest.approx([0.44, 0.04])


def noisy_plate(rng: np.random.Generator, g: float = 1.0) -> tuple[StandardCurve, np.ndarray, np.ndarray]:
    """A curve, its standards in duplicate, and what a reader sees of them with 4 % of scatter."""
    truth = StandardCurve(0.03, rng.uniform(0.9, 1.5), rng.uniform(500, 2500), rng.uniform(2.5, 5.0), g)
    dose = np.repeat([31.25, 62.5, 125, 250, 500, 1000, 2000, 4000], 2)
    return truth, dose, truth.response(dose) * (1 + 0.04 * rng.standard_normal(dose.size))


@pytest.mark.parametrize("parameters", [FOUR, FIVE])
def test_the_compiled_fit_equals_scipys(parameters: int) -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        _, dose, od = noisy_plate(rng, 1.0 if parameters == FOUR else 0.6)
        curve = fit_standard_curve(dose, od, parameters=parameters)
        start = starting_point(dose, od, 2.0, 0.01)
        slow = fit_by_scipy(dose, od, start, parameters)
        theirs = StandardCurve(slow[0], np.exp(slow[1]), np.exp(slow[2]), slow[3], np.exp(slow[4]))
        error, slow_error = (float((((od - each.response(dose)) / start.sigma) ** 2).sum()) for each in (curve, theirs))
        assert error <= slow_error * (1 + 1e-6)  # never a worse optimum
        if abs(error / slow_error - 1) < 1e-9 and parameters == FOUR:
            ours = [curve.a, curve.b, curve.c, curve.d]
            assert ours == pytest.approx([theirs.a, theirs.b, theirs.c, theirs.d], rel=1e-4)
        assert curve.response(dose) == pytest.approx(theirs.response(dose), rel=1e-3)


@pytest.mark.parametrize("parameters", [FOUR, FIVE])
def test_intervals_of_concentrations_cover_the_truth_as_often_as_they_say(parameters: int) -> None:
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(600):
        truth, dose, od = noisy_plate(rng, 1.0 if parameters == FOUR else 0.6)
        curve = fit_standard_curve(dose, od, parameters=parameters)
        planted = float(np.exp(rng.uniform(np.log(60), np.log(3000))))
        mean = float((truth.response(planted) * (1 + 0.04 * rng.standard_normal(2))).mean())
        low, high = curve.interval(mean, 2)
        if np.isfinite(low):
            covered.append(low <= planted <= high)
    assert len(covered) > 560
    assert 0.90 <= np.mean(covered) <= 0.98


def test_a_curve_without_spare_standards_states_no_error_rather_than_none() -> None:
    curve = fit_standard_curve([0, 100, 1000, 4000], [0.05, 0.3, 1.5, 2.5])
    assert np.isnan(curve.log_standard_error(1.0, 2))
