"""Control tubes: a matrix from single stains, what is refused, and beads that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.cytometry import formats
from palbo_assets.cytometry.abundance import abundances, count_gated
from palbo_assets.cytometry.acquisition import read_stained
from palbo_assets.cytometry.blood_counts import nearest, read_blood_counts
from palbo_assets.cytometry.controls import UNSTAINED, kind_of, label_of
from palbo_assets.cytometry.gating import gate
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.single_stains import spill_of
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.cytometry.tables import BLOOD_COUNTS
from palbo_assets.cytometry.thresholds import Placing
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.tables import frame_from_rows

STRATEGY = load_strategy()
TRUTH = SampleTruth("PALBO-001", "W06", 42, 0.5, wbc_per_ul=4_200)
Tubes = list[tuple[str, Path]]


@pytest.fixture(scope="module")
def controls(tmp_path_factory: pytest.TempPathFactory) -> Tubes:
    folder = tmp_path_factory.mktemp("controls")
    written = facs.write_controls(TRUTH, folder, np.random.default_rng(2))
    return [(kind_of(file.sample_name, STRATEGY), folder / file.file) for file in written]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tube whose file carries no matrix."""
    folder = tmp_path_factory.mktemp("tube")
    (file,) = facs.write(TRUTH, folder, np.random.default_rng(3), spill_inside=False)
    return folder / file.file


def test_single_stains_give_the_matrix_that_the_cytometer_has(controls: Tubes, bare: Path, tmp_path: Path) -> None:
    events, sample = read_stained(bare, STRATEGY, controls=controls)
    (file,) = facs.write(TRUTH, tmp_path, np.random.default_rng(3), events=1_000)
    truth = read_stained(tmp_path / file.file, STRATEGY)[0].spill
    assert events.spill is not None and truth is not None and sample.origin == "single_stains"
    order = [truth.channels.index(name) for name in events.spill.channels]
    np.testing.assert_allclose(events.spill.matrix, truth.matrix[np.ix_(order, order)], atol=0.01)


def test_a_tube_without_a_matrix_is_gated_right_by_its_single_stains_and_wrong_without(
    controls: Tubes, bare: Path
) -> None:
    def errors(with_controls: Tubes) -> float:
        sample = read_stained(bare, STRATEGY, controls=with_controls)[1]
        placed = Placing(sample, STRATEGY, Settings()).place_all()
        bounds = {name: one.bound_linear for name, one in placed.items() if one.bound_linear is not None}
        gated = gate(sample, STRATEGY, bounds)
        rows = {
            row["population"]: row["pct_parent"]
            for row in abundances(count_gated(sample, STRATEGY, gated), (), None, Settings())
        }
        planted = facs.planted_pct_parent(TRUTH)
        return max(abs((rows[name] or 0.0) - planted[name]) for name in ("T", "B", "NK", "CD4", "CD8", "monocytes"))

    assert errors(controls) < 1.5
    assert errors([]) > 5.0


def test_without_every_stain_or_the_unstained_tube_no_matrix_is_made(controls: Tubes, bare: Path) -> None:
    for lacking in ("single CD4", UNSTAINED):
        some = [(kind, path) for kind, path in controls if kind != lacking]
        assert read_stained(bare, STRATEGY, controls=some)[1].origin == "none"


def test_the_matrix_of_the_file_stands_before_single_stains(controls: Tubes, tmp_path: Path) -> None:
    (file,) = facs.write(TRUTH, tmp_path, np.random.default_rng(3), events=1_000)
    assert read_stained(tmp_path / file.file, STRATEGY, controls=controls)[1].origin == "file"


def test_a_stain_that_hardly_shines_gives_no_matrix(controls: Tubes) -> None:
    tubes = dict(controls)
    unstained = read_stained(tubes[UNSTAINED], STRATEGY)[0]
    column = read_stained(tubes["single CD3"], STRATEGY)[1].columns["CD3"]
    assert spill_of({column: unstained}, unstained, Settings()) == "few_stained_events"


@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [
        ("single CD3", "single CD3", "single CD3"),
        ("Single-stain CD25 APC", "single CD25", "single CD25"),
        ("FMO PD-1", "PD-1", "FMO PD-1"),
        ("unstained", UNSTAINED, UNSTAINED),
    ],
)
def test_the_manifest_says_what_a_control_is(name: str, kind: str, label: str) -> None:
    assert kind_of(name, STRATEGY) == kind and label_of(kind) == label


def test_a_single_stain_passes_the_door_as_what_it_is_and_as_nothing_else(controls: Tubes) -> None:
    path = dict(controls)["single CD3"]
    claim = Claim(path.name, "facs", "PALBO-001", "W06", sample_name="single CD3")
    assert formats.verify_control(path, claim, Context())["slot"] == "single CD3"
    for role, other in (("control", "single CD8"), ("control", "unstained"), ("fcs", "")):
        verify = formats.verify_control if role == "control" else formats.verify_fcs
        with pytest.raises(InputError) as error:
            verify(path, Claim(path.name, "facs", "PALBO-001", "W06", sample_name=other), Context())
        assert error.value.code in ("E_UNSTAINED", "E_PANEL_MISMATCH")


def test_a_control_waits_for_the_sample_that_it_belongs_to() -> None:
    needs = {one.role: one.needs for one in formats.FORMATS}
    assert needs["control"] == needs["compensation"] == (frozenset({"fcs"}),)
    assert needs["fcs"] == ()


@pytest.mark.parametrize("method", ["single", "dual"])
def test_absolute_counts_are_those_of_the_blood_by_beads_and_by_the_blood_count(tmp_path: Path, method: str) -> None:
    beads = 2_000 if method == "single" else 0
    truth = replace(TRUTH, facs_pct_parent={**facs.HEALTHY_PCT_PARENT, "T": 18.0, "granulocytes": 64.0})
    (file,) = facs.write(truth, tmp_path, np.random.default_rng(5), beads=beads)
    (cbc,) = facs.write_cbc(
        [truth], tmp_path, np.random.default_rng(5), beads={("PALBO-001", "W06"): beads} if beads else None
    )
    counts = [{"cbc_id": "facs-cbc", **row} for row in read_blood_counts(tmp_path / cbc.file)]
    sample = read_stained(tmp_path / file.file, STRATEGY)[1]
    placed = Placing(sample, STRATEGY, Settings()).place_all()
    bounds = {name: one.bound_linear for name, one in placed.items() if one.bound_linear is not None}
    counted = count_gated(sample, STRATEGY, gate(sample, STRATEGY, bounds))
    found = abundances(
        counted, STRATEGY.lymphocytes, nearest(frame_from_rows(BLOOD_COUNTS, counts)), Settings(), beads=STRATEGY.beads
    )
    rows = {row["population"]: row for row in found}
    planted = {"CD45": (), "T": ("T",), "CD4": ("T", "CD4"), "CD8": ("T", "CD8"), "B": ("B",), "NK": ("NK",)}
    planted |= {"monocytes": ("monocytes",), "granulocytes": ("granulocytes",), "Treg": ("T", "CD4", "Treg")}
    for name, path in planted.items():
        assert rows[name]["abs_method"] == method
        assert rows[name]["abs_per_ul"] == pytest.approx(facs.planted_per_ul(truth, *path), rel=0.05), name
