"""Bounds placed on the data: planted mixtures at other voltages, rare cells, and bounds that can't be placed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.cytometry import formats
from palbo_assets.cytometry.acquisition import read_stained
from palbo_assets.cytometry.controls import Controls, kind_of, read_controls
from palbo_assets.cytometry.density import GRID, counts_of, tail, valley
from palbo_assets.cytometry.gating import Stained, gate
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.cytometry.thresholds import Placed, Placing
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError, ReferenceBundleError
from palbo_assets.platform.formats import Claim, Context

SETTINGS = Settings()
STRATEGY = load_strategy()
TRUTH = SampleTruth("PALBO-001", "BL", 0, 0.5)
PARENT = {one.name: one.parent for one in STRATEGY.populations}
BRIGHTNESS = 0.4  # of the fluorochromes, against those that the fixed bounds suit
SPREAD = 0.5  # of the log intensity: neighbours such as the two levels of FOXP3 then overlap (4 standard deviations)


def voltages(seed: int) -> dict[str, float]:
    """Detectors up to 2.5 times as bright or as dim as those that the fixed bounds were set on."""
    rng = np.random.default_rng(seed)
    return {label.split(" ")[0]: float(2.5 ** rng.uniform(-1, 1)) for _, label in facs.PANEL}


def tube(folder: Path, seed: int, events: int, gains: Mapping[str, float], **planted: float) -> Stained:
    truth = SampleTruth("PALBO-001", "BL", 0, 0.5, facs_pct_parent=planted)
    (file,) = facs.write(
        truth,
        folder,
        np.random.default_rng(seed),
        events=events,
        spread=SPREAD,
        brightness=BRIGHTNESS,
        gains=gains,
    )
    return read_stained(folder / file.file, STRATEGY)[1]


def bounds_of(placed: Mapping[str, Placed]) -> dict[str, float]:
    return {name: one.bound_linear for name, one in placed.items() if one.bound_linear is not None}


def errors(sample: Stained, bounds: Mapping[str, float] | None, least: int) -> dict[str, float]:
    """Relative error of the share of the parent of every planted population of 1 % or more and ``least`` events."""
    gated = gate(sample, STRATEGY, bounds)
    found = {}
    for name, planted in facs.HEALTHY_PCT_PARENT.items():
        events, parent = gated[name], gated[PARENT[name]]
        assert events is not None and parent is not None
        if planted >= 1 and parent.size * planted / 100 >= least:
            found[name] = abs(100 * events.size / parent.size / planted - 1)
    return found


def test_bounds_follow_a_tube_at_other_voltages_where_fixed_ones_fail(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 60_000, voltages(1))
    placed = bounds_of(Placing(sample, STRATEGY, SETTINGS).place_all())
    assert max(errors(sample, placed, least=200).values()) < 0.10
    assert max(errors(sample, None, least=200).values()) > 0.25


@pytest.mark.accuracy
def test_every_planted_population_comes_back_within_ten_percent_across_instruments(tmp_path: Path) -> None:
    fixed_fails = 0
    for seed in range(8):
        sample = tube(tmp_path, seed, 200_000, voltages(seed))
        found = errors(sample, bounds_of(Placing(sample, STRATEGY, SETTINGS).place_all()), least=300)
        assert len(found) >= 35
        assert max(found.values()) < 0.10, (seed, {name: error for name, error in found.items() if error >= 0.10})
        fixed_fails += max(errors(sample, None, least=300).values()) > 0.10
    assert fixed_fails >= 7


def of_normals(rng: np.random.Generator, *parts: tuple[int, float, float]) -> np.ndarray:
    return np.concatenate([rng.normal(mean, sd, size) for size, mean, sd in parts])


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_valley_parts_two_normal_populations_of_any_share(seed: int, share: float) -> None:
    size = 20_000
    positive = round(size * share)
    values = of_normals(np.random.default_rng(seed), (size - positive, 0.2, 0.04), (positive, 0.5, 0.05))
    found = valley(counts_of(values, GRID), 0.25, 0.45, min_z=3, min_events=20)
    assert found is not None and found.depth is not None and found.depth > 0.9
    assert (values >= found.bound).sum() == pytest.approx(positive, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_one_population_has_no_valley_and_its_tail_ends_beyond_it(seed: int) -> None:
    values = of_normals(np.random.default_rng(seed), (5_000, 0.3, 0.05))
    counts = counts_of(values, GRID)
    assert valley(counts, 0.0, 1.0, min_z=3, min_events=20) is None
    high, low = tail(counts, low=False, tolerance=0.01), tail(counts, low=True, tolerance=0.01)
    assert high is not None and low is not None
    assert 0.40 < high.bound < 0.56 and 0.04 < low.bound < 0.20


def test_what_a_bin_holds_is_what_lies_between_its_edges() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.4, 3_000)
    plain = [int(((values >= low) & (values < high)).sum()) for low, high in pairwise(GRID)]
    assert counts_of(values, GRID).tolist() == plain


def test_a_bound_outside_its_limits_falls_back_and_says_so(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 30_000, {"PD-1": 200.0})
    placed = Placing(sample, STRATEGY, SETTINGS).place_all()["PD-1"]
    assert placed.origin == "fixed" and placed.bound_scale == STRATEGY.cuts["PD-1"].fixed
    assert placed.passed_over is not None and "fmo:no_control" in placed.passed_over


def with_controls(folder: Path, sample: Stained, gains: Mapping[str, float], *without: str) -> Controls:
    tubes = []
    for seed, marker in enumerate(without):
        (file,) = facs.write_control(TRUTH, folder, np.random.default_rng(seed), marker, gains)
        assert (file.role, file.specimen_id) == ("control", facs.specimen_id(TRUTH))
        formats.verify_control(folder / file.file, Claim(file.file, "facs", sample_name=file.sample_name), Context())
        tubes.append((kind_of(file.sample_name, STRATEGY), folder / file.file))
    return read_controls(tubes, sample, STRATEGY)


def test_a_tube_without_the_fluorochrome_bounds_a_continuous_marker(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 30_000, {})
    controls = with_controls(tmp_path, sample, {}, "PD-1", "CD38", "")
    placed = Placing(sample, STRATEGY, SETTINGS, controls).place_all()
    assert {placed[name].origin for name in ("PD-1", "CD38")} == {"fmo"}
    assert placed["HLA-DR"].origin != "fmo"
    tube_without = controls.fmo["PD-1"]
    t_cells = gate(tube_without, STRATEGY, bounds_of(placed))["T"]
    assert t_cells is not None
    above = np.mean(tube_without.of("PD-1", t_cells) >= placed["PD-1"].bound_linear)
    assert 100 * above == pytest.approx(100 - SETTINGS.fmo_percentile, abs=0.05)


def test_a_control_at_other_voltages_bounds_nothing_and_says_so(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 30_000, {})
    controls = with_controls(tmp_path, sample, {"CD3": 3.0}, "PD-1")
    placed = Placing(sample, STRATEGY, SETTINGS, controls).place_all()["PD-1"]
    assert placed.origin != "fmo" and "fmo:control_at_other_voltages" in str(placed.passed_over)


def test_no_bound_lies_below_what_unstained_cells_reach(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 30_000, {})
    stained_for_unstained = Controls(unstained=sample)  # a tube that reaches as high as the sample itself
    placed = Placing(sample, STRATEGY, SETTINGS, stained_for_unstained).place_all()["CD3"]
    assert placed.origin == "fixed" and placed.passed_over == "valley:below_unstained"


@pytest.mark.parametrize("name", ["", "FMO", "FMO moon", "control", "FMO-CD25 CD3"])
def test_a_control_whose_name_says_no_kind_is_refused(name: str) -> None:
    with pytest.raises(InputError) as error:
        kind_of(name, STRATEGY)
    assert (error.value.code, error.value.column) == ("E_SCHEMA", "sample_name")


def test_a_stained_tube_called_unstained_is_refused(tmp_path: Path) -> None:
    (file,) = facs.write(TRUTH, tmp_path, np.random.default_rng(1))
    with pytest.raises(InputError) as error:
        formats.verify_control(tmp_path / file.file, Claim(file.file, "facs", sample_name="unstained"), Context())
    assert error.value.code == "E_PANEL_MISMATCH"


def test_cuts_are_the_same_whatever_was_asked_for_first(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 30_000, {})
    one, other = (Placing(sample, STRATEGY, SETTINGS) for _ in range(2))
    for cut in reversed(list(STRATEGY.cuts.values())):
        other.place(cut)
    assert one.place_all() == other.placed


WRONG = (
    ("limits: [0.22, 0.60]}\n  CD3:", "limits: [0.22, 0.60], limit: 1}\n  CD3:", "cuts.CD45.limit"),
    ("CD45: {within: live, fixed: 0.45", "CD45: {within: live, fixed: 0.95", "cuts.CD45.fixed"),
    ("CD45: {within: live", "CD45: {within: CD4", "cuts.CD45.within"),
    ("CD45: {within: live", "CD45: {within: moon", "cuts.CD45.within"),
    ("Treg: {parent: CD4, gate: CD25hi+ CD127-}", "Treg: {parent: CD4, gate: CD25hi CD127-}", "populations.Treg.gate"),
    ("Treg: {parent: CD4, gate", "Treg: {parent: NK, gate", "populations.Treg.parent"),
    ("marker: SSC-A", "marker: SSC-B", "cuts.SSC.marker"),
    ("lymphocytes: [T, B, NK]", "lymphocytes: [T, B, NKX]", "lymphocytes.2"),
    (
        "place: [valley, tail], tail: low}\n  FOXP3hi",
        "place: [valley, tails], tail: low}\n  FOXP3hi",
        "cuts.CD127.place",
    ),
    ('version: "3"', "version: [", ""),
)


@pytest.mark.parametrize(("old", "new", "key"), WRONG)
def test_a_sites_gating_is_refused_with_the_key_and_the_line(tmp_path: Path, old: str, new: str, key: str) -> None:
    from importlib.resources import files

    own = files("palbo_assets.cytometry").joinpath("populations.yaml").read_text(encoding="utf-8")
    assert own.count(old) == 1
    path = tmp_path / "site.yaml"
    path.write_text(own.replace(old, new))
    with pytest.raises(ReferenceBundleError) as error:
        load_strategy(path)
    assert error.value.code == "E_REFERENCE_SCHEMA" and error.value.column == key
    line = own[: own.index(old)].count("\n") + 1
    assert error.value.row is not None and line <= error.value.row <= line + 30
    if key:
        assert error.value.row == line


def test_two_gatings_never_share_a_version(tmp_path: Path) -> None:
    from importlib.resources import files

    path = tmp_path / "site.yaml"
    path.write_text(
        files("palbo_assets.cytometry").joinpath("populations.yaml").read_text(encoding="utf-8") + "\n# x\n"
    )
    assert load_strategy(path).version != STRATEGY.version
