"""Gates against FlowKit, the GatingML compliance suite, workspaces, and planted populations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.cytometry import formats
from palbo_assets.cytometry.abundance import abundances
from palbo_assets.cytometry.acquisition import Acquisition, count, read_acquisition, read_stained
from palbo_assets.cytometry.blood_counts import BloodCount, nearest, read_blood_counts
from palbo_assets.cytometry.external_gating import gate_names, gate_with
from palbo_assets.cytometry.gating import gate, inside
from palbo_assets.cytometry.quality import assess
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.cytometry.tables import BLOOD_COUNTS, FACS_ABUNDANCES, FACS_QC
from palbo_assets.cytometry.thresholds import Placing
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError, ReferenceBundleError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.tables import frame_from_rows, validate

SETTINGS = Settings()
STRATEGY = load_strategy()
CBC = BloodCount(6000.0, 1800.0, 0)
KEYS = {"patient_id": "PALBO-001", "timepoint": "BL", "specimen_id": "PALBO-001-BL-WB"}


def acquire(folder: Path, seed: int = 5, **planted: float) -> Acquisition:
    truth = SampleTruth("PALBO-001", "BL", 0, 0.5, facs_pct_parent=planted)
    (file,) = facs.write(truth, folder, np.random.default_rng(seed))
    _, sample = read_stained(folder / file.file, STRATEGY)
    placed = Placing(sample, STRATEGY, SETTINGS).place_all()
    bounds = {name: one.bound_linear for name, one in placed.items() if one.bound_linear is not None}
    return read_acquisition(folder / file.file, STRATEGY, bounds=bounds)


def rows_of(
    acquisition: Acquisition, cbc: BloodCount | None = CBC, failed: bool = False
) -> dict[str, dict[str, object]]:
    _, counted = count(acquisition, STRATEGY)
    return {row["population"]: row for row in abundances(counted, STRATEGY.lymphocytes, cbc, SETTINGS, failed=failed)}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Acquisition:
    return acquire(tmp_path_factory.mktemp("healthy"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_fractions_come_back_within_one_and_a_half_points(tmp_path: Path, seed: int) -> None:
    planted = {
        "T": 30.0,
        "CD4": 45.0,
        "CD8": 48.0,
        "Treg": 12.0,
        "CD8_PD1": 35.0,
        "B": 2.0,
        "NK": 6.0,
        "live": 80.0,
        "granulocytes": 48.0,
    }
    found = rows_of(acquire(tmp_path, seed, **planted))
    for population, share in {**facs.HEALTHY_PCT_PARENT, **planted}.items():
        parents = int(str(found[population]["parent_count"]))
        if parents > 500:  # of fewer, one event is too many points
            assert found[population]["pct_parent"] == pytest.approx(share, abs=1.5), population


def test_a_planted_fall_of_regulatory_t_cells_is_seen(tmp_path: Path) -> None:
    before, after = (rows_of(acquire(tmp_path, seed, Treg=share))["Treg"] for seed, share in ((1, 9.0), (2, 5.5)))
    assert float(str(after["pct_parent"])) - float(str(before["pct_parent"])) == pytest.approx(-3.5, abs=1.0)


def test_a_percentage_and_an_absolute_count_diverge_when_the_leukocytes_fall(healthy: Acquisition) -> None:
    before, after = (rows_of(healthy, BloodCount(wbc, alc, 0)) for wbc, alc in ((6000.0, 1800.0), (2400.0, 900.0)))
    assert before["T"]["pct_cd45"] == after["T"]["pct_cd45"]
    assert after["T"]["abs_per_ul"] == pytest.approx(float(str(before["T"]["abs_per_ul"])) / 2)
    lymphocytes = sum(float(str(before[name]["abs_per_ul"])) for name in ("T", "B", "NK"))
    assert lymphocytes == pytest.approx(1800.0)


@pytest.mark.parametrize(
    ("cbc", "reason"),
    [
        (None, "no_blood_count"),
        (BloodCount(6000, 1800, 4), "blood_count_too_far"),
        (BloodCount(6000, None, 0), "no_blood_count"),
    ],
)
def test_without_a_blood_count_near_the_draw_the_absolute_count_is_not_evaluable(
    healthy: Acquisition, cbc: BloodCount | None, reason: str
) -> None:
    row = rows_of(healthy, cbc)["CD8"]
    assert (row["abs_per_ul"], row["abs_status"], row["abs_reason"]) == (None, "NOT_EVALUABLE", reason)
    assert row["status"] == "OBSERVED" and row["pct_parent"] is not None


def test_a_population_of_few_events_is_not_evaluable_and_never_zero(tmp_path: Path) -> None:
    row = rows_of(acquire(tmp_path, Treg=0.3))["Treg"]
    assert int(str(row["count"])) < 20
    assert (row["status"], row["pct_parent"], row["abs_per_ul"]) == ("NOT_EVALUABLE", None, None)


def test_a_failed_acquisition_keeps_its_counts_and_gives_no_abundance(healthy: Acquisition) -> None:
    row = rows_of(healthy, failed=True)["CD4"]
    assert (row["status"], row["pct_parent"]) == ("QC_FAIL", None) and int(str(row["count"])) > 1000


def test_a_population_whose_marker_the_panel_lacks_is_not_assayed(shared_data: Path) -> None:
    found = rows_of(read_acquisition(shared_data / "fcs/flowio/100715.fcs", STRATEGY))
    assert found["singlets"]["status"] == "OBSERVED"  # its scatter is there, its CD45 and viability aren't
    assert {found[name]["status"] for name in ("live", "CD45", "T", "Treg", "NK")} == {"NOT_ASSAYED"}


SITE_GATING = """
version: site
logicle: {t: 262144, w: 0.5, m: 4.5, a: 0}
markers: {CD3: [CD3], CD4: [CD4], CD8: [CD8], CD127: [CD127]}
functional: [CD127]
lymphocytes: [T]
populations:
  T: {parent: root, rectangle: {CD3: [0.45, 0.95], SSC-A: [null, 0.45]}}
  CD4: {parent: T, polygon: {x: CD4, y: CD8, points: [[0.25, -0.1], [0.6, 0.1], [0.65, 0.4], [0.35, 0.55]]}}
  CD127: {parent: CD4, rectangle: {CD127: [0.40, null]}}
"""


def test_gates_on_linear_values_select_the_very_events_that_flowkit_selects(tmp_path: Path, shared_data: Path) -> None:
    import flowkit as fk

    path = tmp_path / "site.yaml"
    path.write_text(SITE_GATING)
    strategy = load_strategy(path)
    fcs = shared_data / "fcs/flowio/100715.fcs"
    acquisition = read_acquisition(fcs, strategy)
    mine = gate(acquisition.sample, strategy)

    oracle = fk.GatingStrategy()
    spill = acquisition.events.spill
    assert spill is not None
    oracle.add_comp_matrix("spill", fk.Matrix(spill.matrix, spill.channels))
    oracle.add_transform("logicle", fk.transforms.LogicleTransform(262144, 0.5, 4.5, 0))
    oracle.add_transform("linear", fk.transforms.LinearTransform(262144, 0))

    def dimension(marker: str, low: float | None = None, high: float | None = None) -> fk.Dimension:
        channel = acquisition.events.channels[acquisition.sample.columns[marker]]
        scatter = channel.startswith("SSC")
        return fk.Dimension(
            channel, "uncompensated" if scatter else "spill", "linear" if scatter else "logicle", low, high
        )

    t, cd4, _ = strategy.populations
    oracle.add_gate(
        fk.gates.RectangleGate("T", [dimension(m, *bounds) for m, bounds in t.rectangle.items()]), ("root",)
    )
    assert cd4.polygon is not None
    oracle.add_gate(
        fk.gates.PolygonGate("CD4", [dimension("CD4"), dimension("CD8")], list(cd4.polygon.points)), ("root", "T")
    )
    oracle.add_gate(fk.gates.RectangleGate("CD127", [dimension("CD127", 0.40)]), ("root", "T", "CD4"))
    results = oracle.gate_sample(fk.Sample(str(fcs), sample_id="real"))
    for name in ("T", "CD4", "CD127"):
        members = np.flatnonzero(results.get_gate_membership(name))
        assert members.size > 500
        own = mine[name]
        assert own is not None and np.array_equal(own, members)


def test_gatingml_gates_have_the_members_that_the_compliance_suite_states(shared_data: Path) -> None:
    suite = shared_data / "fcs/gatingml_suite"
    found = gate_with(suite / "gml/gml_all_gates.xml", suite / "data1.fcs")
    assert found is not None
    compared = 0
    for population in found:
        truth = suite / "truth" / f"Results_{population.name}.txt"
        assert np.array_equal(population.members, np.loadtxt(truth, dtype=int).astype(bool)), population.name
        compared += 1
    assert compared == 49


def test_a_workspace_applies_to_its_own_samples_only(shared_data: Path) -> None:
    folder = shared_data / "fcs/flowkit"
    quadrants = gate_with(folder / "simple_diamond_example_quad_gate.wsp", folder / "test_data_diamond_01.fcs")
    assert quadrants is not None
    assert [int(one.members.sum()) for one in quadrants] == [49_671, 50_596, 50_330, 49_403]
    assert gate_with(folder / "8_color_ICS.wsp", folder / "test_data_diamond_01.fcs") is None
    assert {"CD3+", "CD4+", "CD8+", "Singlets"} <= set(gate_names(folder / "8_color_ICS.wsp"))


def test_workspaces_of_different_samples_stand_side_by_side(shared_data: Path) -> None:
    folder = shared_data / "fcs"
    slots = [
        formats.verify_gating(folder / file, Claim(file, "facs", role="gating"), Context())["slot"]
        for file in (
            "flowkit/8_color_ICS.wsp",
            "flowkit/simple_diamond_example_quad_gate.wsp",
            "flowkit/test_data_diamond_asinh_rect.wsp",
            "gatingml_suite/gml/gml_rect1_gate.xml",
        )
    ]
    assert slots[1] == slots[2] and len({*slots}) == 3 and slots[3] == "all"


def test_a_delivered_gating_replaces_the_own_one_and_two_that_apply_are_refused(shared_data: Path) -> None:
    folder = shared_data / "fcs/flowkit"
    acquisition = read_acquisition(folder / "test_data_diamond_01.fcs", STRATEGY)
    workspace = folder / "test_data_diamond_asinh_rect.wsp"
    kind, counted = count(acquisition, STRATEGY, [workspace, folder / "8_color_ICS.wsp"])
    assert kind.kind == "flowjo" and [(one.name, one.count) for one in counted] == [
        ("root", 200_000),
        ("upper_right", 50_559),
    ]
    with pytest.raises(InputError) as error:
        count(acquisition, STRATEGY, [workspace, folder / "simple_diamond_example_quad_gate.wsp"])
    assert error.value.code == "E_GATING"


def test_xml_with_entities_and_xml_that_is_no_gating_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gates.xml"
    for content in (
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        "<Gating-ML/>",
        "<other/>",
        "not xml",
    ):
        path.write_text(content)
        with pytest.raises(InputError):
            gate_names(path)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_polygon_holds_what_a_triangle_holds_by_its_half_planes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0, 1, (3, 2))
    x, y = rng.uniform(-0.2, 1.2, (2, 400))

    def side(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])

    sides = np.sign([side(a, b), side(b, c), side(c, a)])
    expected = np.abs(sides.sum(axis=0)) == 3
    points = tuple((float(px), float(py)) for px, py in (a, b, c))
    assert np.array_equal(inside(x, y, points), expected)


def test_children_never_hold_more_than_their_parents(healthy: Acquisition) -> None:
    for population in STRATEGY.populations:
        child, parent = healthy.gated[population.name], healthy.gated[population.parent]
        if child is not None:
            assert parent is not None and np.isin(child, parent).all(), population.name


def test_a_sites_gating_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    for old, new in (
        ("parent: root", "parent: moon"),
        ("CD127: [0.40, null]", "CD999: [0.40, null]"),
        ("[0.45, 0.95]", "0.45"),
    ):
        assert old in SITE_GATING
        path.write_text(SITE_GATING.replace(old, new))
        with pytest.raises(ReferenceBundleError):
            load_strategy(path)


def test_quality_names_what_is_wrong(tmp_path: Path, healthy: Acquisition) -> None:
    good = assess(healthy.events, healthy.sample, healthy.gated, SETTINGS)
    assert (good["verdict"], good["reasons"]) == ("warn", "few_leukocytes")
    assert good["viability_pct"] == pytest.approx(90, abs=1.5) and good["drift_pct"] < 15
    dead = acquire(tmp_path, live=50.0)
    assert assess(dead.events, dead.sample, dead.gated, SETTINGS)["reasons"].startswith("viability")
    twice = set_back(tmp_path, healthy)
    assert "time_reset" in assess(twice.events, twice.sample, twice.gated, SETTINGS)["reasons"]


def set_back(folder: Path, acquisition: Acquisition) -> Acquisition:
    """Two acquisitions in one file: every other event, and then the rest."""
    events = acquisition.events
    content = acquisition.path.read_bytes()
    start, stop = int(content[26:34]), int(content[34:42])
    values = np.frombuffer(content[start : stop + 1], "<f4").reshape(events.count, -1)
    changed = np.concatenate([values[::2], values[1::2]])
    path = folder / "twice.fcs"
    path.write_bytes(content[:start] + changed.tobytes() + content[stop + 1 :])
    return read_acquisition(path, STRATEGY)


def test_tables_keep_their_contracts_and_the_files_are_the_same_bytes_for_the_same_seed(
    tmp_path: Path, healthy: Acquisition
) -> None:
    quality = assess(healthy.events, healthy.sample, healthy.gated, SETTINGS)
    validate(FACS_QC, frame_from_rows(FACS_QC, [KEYS | quality]))
    rows = [{**KEYS, "gating": "populations", **row} for row in rows_of(healthy).values()]
    frame = validate(FACS_ABUNDANCES, frame_from_rows(FACS_ABUNDANCES, rows))
    seen = frame[frame["population"].isin(facs.HEALTHY_PCT_PARENT)]
    assert (seen["status"] == "OBSERVED").all() and seen["mfi_pd1"].notna().all()
    contents = []
    for name in ("a", "b"):
        acquire(tmp_path / name, seed=8)
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]


def verify(path: Path) -> object:
    return formats.verify_fcs(path, Claim(path.name, "facs", "PALBO-001", "BL"), Context())


def test_a_stained_sample_passes_the_door_and_its_unstained_control_does_not(
    tmp_path: Path, healthy: Acquisition
) -> None:
    assert verify(healthy.path) == {"events": 30_000, "channels": 28, "markers": 24, "compensated": 1}
    for seed in range(5):
        truth = SampleTruth("PALBO-001", "BL", 0, 0.5)
        (file,) = facs.write_unstained(truth, tmp_path, np.random.default_rng(seed))
        with pytest.raises(InputError) as error:
            verify(tmp_path / file.file)
        assert error.value.code == "E_UNSTAINED"


def test_a_real_stained_tube_is_no_control_and_files_without_the_panel_are_refused(shared_data: Path) -> None:
    assert verify(shared_data / "fcs/flowio/100715.fcs")
    for file, code in (
        ("flowkit/test_data_diamond_01.fcs", "E_PANEL"),
        ("gatingml_suite/data1.fcs", "E_PANEL"),
        ("instruments_and_malformed/Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs", "E_PANEL"),
    ):
        with pytest.raises(InputError) as error:
            verify(shared_data / "fcs" / file)
        assert error.value.code == code


def test_blood_counts_are_read_and_the_nearest_is_taken(tmp_path: Path) -> None:
    samples = [
        SampleTruth("PALBO-001", tp, day, 0.5, wbc_per_ul=wbc) for tp, day, wbc in (("BL", 0, 6000), ("W06", 42, 3000))
    ]
    (file,) = facs.write_cbc(samples, tmp_path, np.random.default_rng(1), late={("PALBO-001", "W06"): 6})
    rows = read_blood_counts(tmp_path / file.file)
    assert [(row["timepoint"], row["wbc_per_ul"]) for row in rows] == [("BL", 6000.0), ("W06", 3000.0)]
    frame = validate(BLOOD_COUNTS, frame_from_rows(BLOOD_COUNTS, [{"cbc_id": "facs-CBC", **row} for row in rows]))
    late = nearest(frame[frame["timepoint"] == "W06"])
    assert late is not None and late.days == 6
    assert nearest(frame.iloc[:0]) is None


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("PALBO-001,BL,5.6,1.8,0", "E_UNIT", "wbc_per_ul"),
        ("PALBO-001,BL,5600,7800,0", "E_SCHEMA", "alc_per_ul"),
        ("Kim Minji,BL,5600,1800,0", "E_BAD_NAME", "patient_id"),
        ("PALBO-001,W07,5600,1800,0", "E_SCHEMA", "timepoint"),
        ("PALBO-001,BL,5600,1800,soon", "E_SCHEMA", "days_from_draw"),
        ("PALBO-001,BL,many,1800,0", "E_SCHEMA", "wbc_per_ul"),
    ],
)
def test_a_wrong_blood_count_is_refused_with_row_and_column(tmp_path: Path, row: str, code: str, column: str) -> None:
    path = tmp_path / "cbc.csv"
    path.write_text("patient_id,timepoint,wbc_per_ul,alc_per_ul,days_from_draw\n" + row + "\n")
    with pytest.raises(InputError) as error:
        read_blood_counts(path)
    assert (error.value.code, error.value.row, error.value.column) == (code, 2, column)
    assert "Kim" not in str(error.value)


def test_neutrophils_give_their_derived_ratio_to_lymphocytes_and_must_fit_the_leukocytes(tmp_path: Path) -> None:
    path = tmp_path / "cbc.csv"
    header = "patient_id,timepoint,wbc_per_ul,alc_per_ul,anc_per_ul,days_from_draw\n"
    path.write_text(header + "PALBO-001,BL,6000,1800,4000,0\nPALBO-001,W06,3000,1100,,0\n")
    assert [(row["anc_per_ul"], row["dnlr"]) for row in read_blood_counts(path)] == [(4000.0, 2.0), (None, None)]
    path.write_text(header + "PALBO-001,BL,6000,1800,4300,0\n")
    with pytest.raises(InputError) as error:
        read_blood_counts(path)
    assert (error.value.code, error.value.row, error.value.column) == ("E_SCHEMA", 2, "anc_per_ul")


def test_what_mononuclear_cells_have_lost_is_not_evaluable_and_nothing_is_counted_per_microlitre(
    healthy: Acquisition,
) -> None:
    _, counted = count(healthy, STRATEGY)
    lost = abundances(counted, STRATEGY.lymphocytes, CBC, Settings(), lost=STRATEGY.whole_blood_only)
    rows = {row["population"]: row for row in lost}
    for name in ("PMN_MDSC", "granulocytes"):
        assert (rows[name]["status"], rows[name]["reason"]) == ("NOT_EVALUABLE", "lost_in_preparation")
        assert rows[name]["pct_parent"] is None
    assert rows["T"]["status"] == "OBSERVED"
    assert (rows["T"]["abs_per_ul"], rows["T"]["abs_reason"]) == (None, "pbmc")


def test_a_tube_without_granulocytes_that_is_said_to_be_whole_blood_is_asked_about(tmp_path: Path) -> None:
    truth = SampleTruth("PALBO-001", "BL", 0, 0.5, facs_pct_parent={"T": 60.0, "granulocytes": 3.0})
    (file,) = facs.write(truth, tmp_path, np.random.default_rng(1), events=5_000)
    read = read_acquisition(tmp_path / file.file, STRATEGY)
    said = {
        preparation: assess(read.events, read.sample, read.gated, Settings(), preparation=preparation)["reasons"] or ""
        for preparation in ("whole_blood", "pbmc")
    }
    assert "granulocytes_missing" in said["whole_blood"] and "granulocytes_missing" not in said["pbmc"]


def test_a_file_exported_after_gating_is_asked_about(tmp_path: Path, healthy: Acquisition) -> None:
    shares = {"T": 98.5, "B": 0.2, "NK": 0.2, "monocytes": 0.2, "granulocytes": 0.2}
    gated = acquire(tmp_path, **shares)
    assert "one_lineage_only" in (assess(gated.events, gated.sample, gated.gated, SETTINGS)["reasons"] or "")
    whole = assess(healthy.events, healthy.sample, healthy.gated, SETTINGS)["reasons"]
    assert "one_lineage_only" not in whole


def test_the_scale_of_an_old_instrument_is_refused(tmp_path: Path) -> None:
    (file,) = facs.write(SampleTruth("PALBO-001", "BL", 0, 0.5), tmp_path, np.random.default_rng(1), events=1_000)
    path = tmp_path / file.file
    content = path.read_bytes()
    assert content.count(b"262144") >= 24
    path.write_bytes(content.replace(b"262144", b"001024"))
    with pytest.raises(InputError) as error:
        formats.verify_fcs(path, Claim(file.file, "facs", "PALBO-001", "BL"), Context())
    assert error.value.code == "E_SCALE"


def test_every_population_that_the_trial_asks_for_has_a_gate() -> None:
    asked = (
        "CD45 T CD4 CD8 CD4_naive CD4_central_memory CD4_effector_memory CD4_TEMRA CD8_naive CD8_central_memory "
        "CD8_effector_memory CD8_TEMRA Treg Treg_naive Treg_effector CD4_activated CD8_activated CD4_PD1 CD8_PD1 "
        "CD8_CD137 CD8_TIM3 CD8_LAG3 CD4_Ki67 CD8_Ki67 gamma_delta B B_naive B_memory plasmablasts NK NK_bright NK_dim "
        "NKT monocytes monocytes_classical monocytes_intermediate monocytes_nonclassical DC DC_myeloid DC_plasmacytoid "
        "M_MDSC PMN_MDSC early_MDSC"
    )
    assert set(asked.split()) <= {one.name for one in STRATEGY.populations}
