"""A tree of gates in one pass over the file, against each gate by itself on the whole compensated matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.cytometry import selection
from palbo_assets.cytometry.compensation import Compensation, compensate, parse_spill
from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.gating import Tube, gate, stained
from palbo_assets.cytometry.selection import ROOT, Area, Bound, Gate, inside, select
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets_tests.cytometry.fcs_writer import fcs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from("FDI"), order=st.sampled_from([(1, 2, 3, 4), (4, 3, 2, 1)]))
def test_a_tree_selects_what_each_gate_selects_from_its_parent_whatever_the_file_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, kind: str, order: tuple[int, ...]
) -> None:
    monkeypatch.setattr(selection, "BLOCK", 7)
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1000, (40, 5))
    path = tmp_path / "tube.fcs"
    path.unlink(missing_ok=True)
    path.write_bytes(fcs(values.tolist(), kind=kind, byte_order=order, more={"$P5G": "2"}))
    events = read_fcs(path)
    spill = parse_spill("3,C4,C2,C3,1,0.3,0.1,0.05,1,0.2,0,0.1,1", events.channels)
    gates, parents = [], [ROOT]
    for name in "abcdefgh":
        bounds = tuple(
            Bound(int(rng.integers(5)), float(rng.integers(0, 900)), bool(rng.integers(2)))
            for _ in range(rng.integers(3))
        )
        corners = tuple((float(x), float(y)) for x, y in rng.uniform(-100, 1200, (5, 2)))
        areas = (Area(int(rng.integers(5)), int(rng.integers(5)), corners),) if rng.random() < 0.4 else ()
        gates.append(Gate(name, str(rng.choice(parents)), bounds, areas))
        parents.append(name)
    found = select(events.data, Compensation.of(spill, events.channels), gates, absent=["z"])
    matrix = compensate(events.values, events.channels, spill)
    expected = {ROOT: np.ones(40, dtype=bool)}
    for one in gates:
        mask = expected[one.parent].copy()
        for bound in one.bounds:
            column = matrix[:, bound.channel]
            mask &= column >= bound.value if bound.above else column < bound.value
        for area in one.areas:
            mask &= inside(matrix[:, area.x], matrix[:, area.y], area.points)
        expected[one.name] = mask
        own = found[one.name]
        assert own is not None and np.array_equal(own, np.flatnonzero(mask))
        assert found.count(one.name) == mask.sum()
    everything = found[ROOT]
    assert everything is not None and everything.size == found.count(ROOT) == 40
    assert found["z"] is None and found.count("z") is None and set(found) == {ROOT, *"abcdefgh", "z"}


def test_compensated_values_are_the_same_by_channel_by_event_and_as_a_whole(shared_data: Path) -> None:
    events = read_fcs(shared_data / "fcs/flowio/100715.fcs")
    assert events.spill is not None
    compensation = Compensation.of(events.spill, events.channels)
    whole = compensate(events.values, events.channels, events.spill)
    some = np.random.default_rng(1).permutation(events.count)[:20_000]
    for channel in range(len(events.channels)):
        found = compensation.column(events.data, channel)
        assert np.allclose(found, whole[:, channel], rtol=1e-9, atol=1e-6)
        assert np.allclose(compensation.column(events.data, channel, some), found[some], rtol=1e-9, atol=1e-6)


SITE = """
version: site
logicle: {t: 262144, w: 0.5, m: 4.5, a: 0}
markers: {CD3: [CD3], CD4: [CD4], CD8: [CD8], CD127: [CD127], CD56: [CD56]}
functional: [CD127]
lymphocytes: [T]
cuts: {CD4: {within: T, fixed: 0.45, limits: [0.2, 0.7]}}
populations:
  small: {parent: root, polygon: {x: FSC-A, y: SSC-A, points: [[0.1, 0.0], [0.1, 0.4], [0.5, 0.5], [0.6, 0.1]]}}
  T: {parent: small, rectangle: {CD3: [0.45, 0.95], SSC-A: [null, 0.45]}}
  CD4: {parent: T, gate: CD4+}
  shaped: {parent: T, polygon: {x: CD4, y: CD8, points: [[0.25, -0.1], [0.6, 0.1], [0.65, 0.4], [0.35, 0.55]]}}
  mixed: {parent: T, polygon: {x: SSC-A, y: CD8, points: [[0.0, 0.1], [0.3, 0.1], [0.3, 0.9], [0.0, 0.9]]}}
  NK: {parent: root, rectangle: {CD56: [0.4, null]}}
  brightNK: {parent: NK, rectangle: {CD3: [null, 0.4]}}
"""


def test_the_whole_tree_at_once_selects_what_a_tube_selects_gate_by_gate(tmp_path: Path, shared_data: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    strategy = load_strategy(site)
    sample = stained(read_fcs(shared_data / "fcs/flowio/100715.fcs"), strategy)
    for bounds in ({}, {"CD4": 700.0}):
        at_once, one_by_one = gate(sample, strategy, bounds), Tube(sample, strategy, bounds)
        for name in at_once:
            own, expected = at_once[name], one_by_one.events(name)
            if name in ("NK", "brightNK"):
                assert own is None and expected is None and at_once.count(name) is None
            else:
                assert own is not None and expected is not None and own.size > 30
                assert np.array_equal(own, expected), name
