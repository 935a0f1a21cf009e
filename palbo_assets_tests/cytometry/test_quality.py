"""Planted clogs, gaps, bursts and wrong matrices are found; undisturbed acquisitions, real ones too, are let be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.flow_rate import FlowRate, flow_rate
from palbo_assets.cytometry.gating import stained
from palbo_assets.cytometry.quality import margin_percent, residual_spill
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets_tests.cytometry.fcs_writer import fcs

SETTINGS = Settings()
SPEED = {"gap": 0.0, "clog": 0.1, "burst": 4.0}


def flow(time: np.ndarray) -> FlowRate:
    found = flow_rate(time, max_mads=SETTINGS.max_rate_mads, min_change=SETTINGS.min_rate_change)
    assert found is not None
    return found


def acquired(rng: np.random.Generator, events: int, disturbed: dict[tuple[float, float], str]) -> np.ndarray:
    """Times (0 to 100) of events that come at random, at the speed of the stretch of time they fall into."""
    time = rng.uniform(0, 100, 5 * events)
    speed = np.full(time.size, 1.0)
    for (start, stop), kind in disturbed.items():
        speed[(time >= start) & (time < stop)] = SPEED[kind]
    time = time[rng.random(time.size) < speed / 5]
    return np.sort(time).astype(np.float32).astype(np.float64)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["gap", "clog", "burst"]),
    start=st.floats(5, 80),
    length=st.floats(6, 12),
    events=st.sampled_from([15_000, 60_000]),
)
def test_a_planted_disturbance_of_the_flow_is_found_where_it_is(
    seed: int, kind: str, start: float, length: float, events: int
) -> None:
    found = flow(acquired(np.random.default_rng(seed), events, {(start, start + length): kind}))
    width = found.duration / min(200, events // 500)
    assert {one.kind for one in found.intervals} <= {kind, "clog" if kind == "gap" else kind}
    covered = sum(
        max(0.0, min(one.stop, start + length) - max(one.start, start)) for one in found.intervals if one.kind in SPEED
    )
    assert covered >= length - 2.1 * width  # the first and the last stretch are disturbed in part only
    assert all(one.start > start - 1.1 * width and one.stop < start + length + 1.1 * width for one in found.intervals)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), events=st.sampled_from([11_000, 40_000, 120_000]), ticks=st.integers(50, 5000))
def test_an_even_flow_is_let_be_whatever_the_clock(seed: int, events: int, ticks: int) -> None:
    time = np.random.default_rng(seed).uniform(0, 100, events)
    assert flow(time).intervals == ()
    coarse = flow_rate(np.floor(time / 100 * ticks), max_mads=6.0, min_change=2.0)
    assert coarse is None or coarse.intervals == ()


def test_real_acquisitions_flow_evenly(shared_data: Path) -> None:
    looked_at = 0
    for path in sorted((shared_data / "fcs").rglob("*.fcs")):
        try:
            events = read_fcs(path)
        except Exception:  # refused files are another test's
            continue
        if events.time_column is not None and events.count >= 10_000:
            found = flow(events.data.column(events.time_column))
            assert found.intervals == () and found.cv_pct < 10, path.name
            looked_at += 1
    assert looked_at == 4


def test_without_a_clock_or_with_few_events_nothing_is_said() -> None:
    assert flow_rate(np.zeros(50_000), max_mads=6, min_change=2) is None
    assert flow_rate(np.linspace(0, 1, 5_000), max_mads=6, min_change=2) is None


@pytest.mark.parametrize("seed", [1, 2])
def test_a_matrix_that_takes_out_too_little_or_too_much_is_seen(tmp_path: Path, seed: int) -> None:
    (file,) = facs.write(SampleTruth("PALBO-001", "BL", 0, 0.5), tmp_path, np.random.default_rng(seed))
    events = read_fcs(tmp_path / file.file)
    assert events.spill is not None
    left = {}
    for share in (0.5, 1.0, 1.5):
        eye = np.eye(len(events.spill.channels))
        spill = dataclasses.replace(events.spill, matrix=eye + share * (events.spill.matrix - eye))
        sample = stained(dataclasses.replace(events, spill=spill), load_strategy())
        found = residual_spill(sample, SETTINGS.positive_at, SETTINGS.min_events, SETTINGS.residual_min_pct)
        assert found is not None
        left[share] = found.percent
    assert left[1.0] < 1 < SETTINGS.max_residual_spill_pct < min(left[0.5], left[1.5])
    plain = stained(dataclasses.replace(events, spill=None), load_strategy())
    assert residual_spill(plain, SETTINGS.positive_at, SETTINGS.min_events, SETTINGS.residual_min_pct) is None


def test_events_at_the_top_are_counted_in_their_channel(tmp_path: Path) -> None:
    path = tmp_path / "tube.fcs"
    path.write_bytes(fcs([[10.0, 262143.0], [20.0, 5.0], [262000.0, 262143.5], [1.0, 3.0]]))
    assert margin_percent(read_fcs(path)) == {"C1": 25.0, "C2": 50.0}
