"""Bounds of samples that were acquired alike, and when a sample keeps its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palbo_assets.cytometry.acquisition import read_stained
from palbo_assets.cytometry.batches import batch_bounds, batch_of, chosen, density_rows
from palbo_assets.cytometry.density import GRID
from palbo_assets.cytometry.gating import Stained, gate
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.cytometry.thresholds import Placing
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth

SETTINGS = Settings()
STRATEGY = load_strategy()
DIM = {"CD4": 0.05, "CD8": 0.05}  # detectors at voltages far below those that the fixed bounds were set on


def tube(folder: Path, number: int, events: int, gains: Mapping[str, float] = DIM) -> Stained:
    truth = SampleTruth(f"PALBO-{number:03d}", "BL", 0, 0.5)
    (file,) = facs.write(truth, folder, np.random.default_rng(number), events=events, gains=gains)
    return read_stained(folder / file.file, STRATEGY)[1]


def densities(sample: Stained, number: int, batch: str | None = "") -> list[dict[str, Any]]:
    placing = Placing(sample, STRATEGY, SETTINGS)
    placing.place_all()
    keys = {"patient_id": f"PALBO-{number:03d}", "timepoint": "BL", "specimen_id": f"S{number}"}
    return [{**keys, **row} for row in density_rows(placing, batch_of(sample, STRATEGY) if batch == "" else batch)]


def gates_of(number: int, rows: list[dict[str, Any]], settings: Settings = SETTINGS) -> dict[str, dict[str, Any]]:
    pooled = {row["cut"]: row for row in batch_bounds(rows, STRATEGY, settings) if row["specimen_id"] == f"S{number}"}
    own = [row for row in rows if row["specimen_id"] == f"S{number}"]
    return {row["cut"]: chosen(row, pooled.get(row["cut"]), STRATEGY, settings) for row in own}


def cd4_pct(sample: Stained, gates: Mapping[str, Mapping[str, Any]]) -> float:
    bounds = {name: row["bound_linear"] for name, row in gates.items() if row["bound_linear"] is not None}
    gated = gate(sample, STRATEGY, bounds)
    return 100.0 * (gated.count("CD4") or 0) / (gated.count("T") or 1)


def test_a_sample_of_few_events_takes_the_bounds_that_its_batch_shows(tmp_path: Path) -> None:
    sparse = tube(tmp_path, 1, 1_000)
    rows = densities(sparse, 1)
    alone = gates_of(1, rows)
    for number in (2, 3, 4):
        rows += densities(tube(tmp_path, number, 10_000), number)
    together = gates_of(1, rows)
    assert (alone["CD4"]["source"], alone["CD4"]["passed_over"]) == ("strategy", "valley:few_events")
    assert (together["CD4"]["source"], together["CD4"]["origin"]) == ("batch", "valley")
    assert together["CD4"]["specimens"] == 4 and together["CD4"]["passed_over"] is None
    assert abs(cd4_pct(sparse, alone) - 62.0) > 20.0
    assert cd4_pct(sparse, together) == pytest.approx(62.0, abs=8.0)  # 2 standard errors of 160 T cells


def test_a_batch_of_one_is_gated_as_if_there_were_no_batches(tmp_path: Path) -> None:
    sample = tube(tmp_path, 1, 5_000)
    placed = Placing(sample, STRATEGY, SETTINGS).place_all()
    rows = densities(sample, 1)
    assert batch_bounds(rows, STRATEGY, SETTINGS) == []
    gates = gates_of(1, rows)
    for name, one in placed.items():
        row = gates[name]
        assert (row["origin"], row["bound_scale"], row["bound_linear"]) == (
            one.origin,
            one.bound_scale,
            one.bound_linear,
        )
        assert (row["events"], row["passed_over"], row["depth"]) == (one.events, one.passed_over, one.depth)


def test_tubes_at_other_voltages_or_lots_are_no_batch_and_unknown_settings_are_none(tmp_path: Path) -> None:
    first, second = tube(tmp_path, 1, 1_000), tube(tmp_path, 2, 1_000)
    other = tube(tmp_path, 3, 1_000, {"CD4": 0.1, "CD8": 0.05})
    assert batch_of(first, STRATEGY) == batch_of(second, STRATEGY) != batch_of(other, STRATEGY)
    assert batch_of(first, STRATEGY, panel_lot="A") != batch_of(first, STRATEGY, panel_lot="B")
    assert batch_of(first, STRATEGY, preparation="pbmc") != batch_of(first, STRATEGY, preparation="whole_blood")
    rows = densities(first, 1) + densities(other, 3)
    assert batch_bounds(rows, STRATEGY, SETTINGS) == []
    unknown = densities(first, 1, None) + densities(second, 2, None)
    assert batch_bounds(unknown, STRATEGY, SETTINGS) == []


def row(number: int, peaks: tuple[float, float], events: int = 5_000, **more: Any) -> dict[str, Any]:
    """CD4 of one sample: two normal peaks, its own bound halfway."""
    values = np.random.default_rng(number).normal(np.repeat(peaks, events // 2), 0.03)
    counts = np.histogram(values, GRID)[0]
    own = {"cut": "CD4", "marker": "CD4", "origin": "valley", "bound_scale": sum(peaks) / 2, "depth": 0.9}
    told = {"floor_scale": None, "events": events, "first_bin": 0, "density": " ".join(map(str, counts.tolist()))}
    keys = {"patient_id": f"PALBO-{number:03d}", "timepoint": "BL", "specimen_id": f"S{number}", "batch": "b"}
    return keys | own | told | {"passed_over": None} | more


def test_a_sample_that_stained_unlike_its_batch_keeps_its_own_bound_and_says_so() -> None:
    rows = [row(number, (0.25, 0.60)) for number in (1, 2, 3, 4)] + [row(5, (0.25, 0.42))]
    assert gates_of(1, rows)["CD4"]["source"] == "batch"
    kept = gates_of(5, rows)["CD4"]
    assert (kept["source"], kept["passed_over"]) == ("sample", "batch:unlike_the_sample")
    assert kept["bound_scale"] == pytest.approx(0.335)


def test_the_batch_is_not_taken_below_what_unstained_cells_reach() -> None:
    rows = [row(number, (0.25, 0.60)) for number in (1, 2)]
    rows.append(row(3, (0.25, 0.60), origin="fixed", bound_scale=0.55, floor_scale=0.54))
    kept = gates_of(3, rows)["CD4"]
    assert (kept["source"], kept["passed_over"]) == ("strategy", "batch:below_unstained")


def test_the_control_tube_of_one_sample_bounds_the_batch_and_its_own_stays_its_own() -> None:
    fmo = {"cut": "PD-1", "marker": "PD-1", "origin": "fmo", "bound_scale": 0.41, "depth": None}
    rows = [row(1, (0.25, 0.60), **fmo)]
    rows.append(row(2, (0.25, 0.60), cut="PD-1", marker="PD-1", origin="valley"))
    assert gates_of(1, rows)["PD-1"]["source"] == "sample"
    taken = gates_of(2, rows)["PD-1"]
    assert (taken["source"], taken["origin"], taken["specimens"]) == ("batch", "fmo", 1)
    assert taken["bound_scale"] == 0.41


def test_a_valley_of_its_own_is_better_than_the_tail_of_the_batch() -> None:
    own = row(1, (0.25, 0.60), cut="PD-1", marker="PD-1")
    tail = {"origin": "tail", "bound_scale": 0.36, "depth": None, "events": 20_000, "specimens": 4}
    kept = chosen(own, tail, STRATEGY, SETTINGS)
    assert (kept["source"], kept["bound_scale"], kept["passed_over"]) == ("sample", 0.425, None)
    taken = chosen(own | {"origin": "fixed", "bound_scale": 0.40}, tail, STRATEGY, SETTINGS)
    assert (taken["source"], taken["origin"], taken["bound_scale"]) == ("batch", "tail", 0.36)
