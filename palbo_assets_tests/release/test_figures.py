"""Figures: nothing missing is drawn as a number, a colour means one thing, unevaluable isn't absent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd
import pytest

from palbo_assets.clinical.delivery_ledger import DeliveryState
from palbo_assets.clinical.tables import TREATMENT_RESPONSE
from palbo_assets.release import figures, palette
from palbo_assets.release.cohort_page import combined_states, sections
from palbo_assets.study.vocabulary import State, Transition
from palbo_assets_tests.release.hand_made import NRG1, cohort


def values(spec: Any) -> Iterator[dict[str, Any]]:
    """Every row of data in a specification."""
    for rows in spec.get("datasets", {}).values():
        yield from rows


def nodes(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        yield spec
        for value in spec.values():
            yield from nodes(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from nodes(value)


def scales(spec: Any, channel: str) -> list[dict[str, Any]]:
    return [node[channel] for node in nodes(spec) if isinstance(node.get(channel), dict) and "scale" in node[channel]]


CHARTS = [section for section in sections(cohort()) if section.chart is not None]


@pytest.mark.parametrize("section", CHARTS, ids=lambda section: section.anchor)
def test_every_figure_is_valid_vega_lite(section: Any) -> None:
    spec = figures.themed(section.chart)
    alt.Chart.from_dict(spec, validate=True)
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/v")


def test_the_page_has_all_its_figures() -> None:
    assert [section.anchor for section in CHARTS] == ["ledger", "oncoprint", "transitions", "swimmer", "slopes"]


@pytest.mark.parametrize("section", CHARTS, ids=lambda section: section.anchor)
def test_every_value_that_a_colour_or_shape_shows_has_its_own_place_in_the_scale(section: Any) -> None:
    """Vega gives a value outside of the domain the colour of one inside, so that it would say something else."""
    spec = figures.themed(section.chart)
    for channel in ("color", "shape"):
        for encoding in scales(spec, channel):
            field, domain = encoding["field"], encoding["scale"]["domain"]
            drawn = {row[field] for row in values(spec) if field in row}
            assert drawn - {None} <= set(domain), field
            assert len(domain) == len(encoding["scale"]["range"])


def test_the_palette_knows_every_word_of_the_vocabularies() -> None:
    assert set(palette.LEDGER) == {str(state) for state in DeliveryState}
    assert set(palette.STATE) == {str(state) for state in State}
    assert set(palette.TRANSITION) == {str(transition) for transition in Transition}
    assert set(TREATMENT_RESPONSE["best_overall_response"].allowed) <= set(palette.RESPONSE)


def test_not_evaluable_is_hollow_with_a_dot_and_absent_is_filled() -> None:
    states = combined_states(cohort().resistance_states)
    spec = figures.oncoprint(states).to_dict()
    [colours] = scales(spec, "color")
    said = dict(zip(colours["scale"]["domain"], colours["scale"]["range"], strict=True))
    assert len(set(said.values())) == 3
    assert said["NOT_EVALUABLE"] == "#ffffff"
    dots = spec["layer"][1]
    assert dots["mark"]["type"] == "point"
    assert dots["transform"] == [{"filter": "datum.state == 'NOT_EVALUABLE'"}]
    drawn = {(row["patient_id"], row["timepoint"], row["mechanism"]): row["state"] for row in values(spec)}
    assert drawn["P2", "BL", "ESR1_MUT"] == "NOT_EVALUABLE"
    assert drawn["P1", "BL", "ESR1_MUT"] == "ABSENT"


def test_a_sample_without_a_statement_has_no_cell() -> None:
    spec = figures.oncoprint(combined_states(cohort().resistance_states)).to_dict()
    drawn = {(row["patient_id"], row["timepoint"], row["mechanism"]) for row in values(spec)}
    assert ("P3", "PD", "RB1_LOF") not in drawn
    assert {timepoint for _, timepoint, _ in drawn} == {"BL", "PD"}


def test_a_pair_with_one_value_has_no_line_and_is_not_counted() -> None:
    spec = figures.paired_slopes(cohort().pairs, [(NRG1, "Neuregulin-1", "pg/mL")]).to_dict()
    rows = list(values(spec))
    assert {row["patient_id"] for row in rows if "patient_id" in row} == {"P1"}
    assert sorted(row["value"] for row in rows if "patient_id" in row) == [400.0, 900.0]
    assert 0 not in [row["value"] for row in rows]
    assert spec["hconcat"][0]["title"]["subtitle"] == "1 pairs of 3 patients"


def test_the_median_line_joins_the_medians_of_the_pairs_that_are_shown() -> None:
    pairs = pd.DataFrame(
        {
            "patient_id": ["P1", "P2", "P3", "P4"],
            "x__bl": [1.0, 2.0, 9.0, 100.0],
            "x__pd": [4.0, 6.0, 5.0, None],
        }
    )
    spec = figures.paired_slopes(pairs, [("x", "X", "")]).to_dict()
    medians = {row["timepoint"]: row["value"] for row in values(spec) if "patient_id" not in row}
    assert medians == {"BL": 2.0, "PD": 5.0}


def test_an_axis_of_slopes_does_not_start_at_a_zero_that_nobody_measured() -> None:
    spec = figures.paired_slopes(cohort().pairs, [(NRG1, "Neuregulin-1", "pg/mL")]).to_dict()
    axes = [node["y"] for node in nodes(spec) if isinstance(node.get("y"), dict)]
    assert axes
    assert all(axis["scale"]["zero"] is False for axis in axes)


def test_a_feature_that_no_pair_has_gives_an_empty_frame_with_its_count() -> None:
    spec = figures.themed(
        figures.paired_slopes(cohort().pairs, [("he__stil_area_pct", "TILs", "%"), (NRG1, "NRG1", "pg/mL")])
    )
    assert spec["hconcat"][0]["title"]["subtitle"] == "0 pairs of 3 patients"
    assert [node["y"]["axis"] for node in nodes(spec["hconcat"][0]) if isinstance(node.get("y"), dict)] == [None, None]


def test_an_unknown_end_is_neither_progression_nor_censoring() -> None:
    tables = cohort()
    spec = figures.swimmer(tables.treatment_response, tables.sample_manifest).to_dict()
    ends = spec["layer"][2]
    rows = spec["datasets"][ends["data"]["name"]]
    assert {row["patient_id"]: row["end"] for row in rows} == {"P1": "progression or death", "P2": "censored"}


def test_a_patient_without_follow_up_has_no_bar_and_an_unknown_response_its_own_colour() -> None:
    tables = cohort()
    spec = figures.swimmer(tables.treatment_response, tables.sample_manifest).to_dict()
    bars = {row["patient_id"]: row for row in spec["datasets"][spec["layer"][0]["data"]["name"]]}
    assert set(bars) == {"P1", "P2", "P3"}
    assert bars["P3"]["best_overall_response"] == palette.NOT_STATED
    assert palette.RESPONSE[palette.NOT_STATED] not in {palette.RESPONSE[name] for name in ("CR", "PR", "SD", "PD")}


def test_a_specimen_without_a_day_has_no_tick_and_one_visit_has_one() -> None:
    tables = cohort()
    spec = figures.swimmer(tables.treatment_response, tables.sample_manifest).to_dict()
    ticks = spec["datasets"][spec["layer"][1]["data"]["name"]]
    assert sorted((row["patient_id"], row["collected_day"]) for row in ticks) == [("P1", -7.0), ("P1", 305.0)]


def test_a_figure_carries_no_column_that_it_does_not_show() -> None:
    tables = cohort()
    spec = figures.swimmer(tables.treatment_response, tables.sample_manifest).to_dict()
    assert {name for row in values(spec) for name in row} == {
        "patient_id", "timepoint", "collected_day", "months", "pfs_days", "pfs_event", "end", "best_overall_response",
        "resistance_class",
    }  # fmt: skip


def test_bars_of_change_count_each_patient_once_unevaluable_ones_included() -> None:
    spec = figures.transitions_bar(cohort().resistance_transitions).to_dict()
    counted = {row["transition"]: row["size"] for row in values(spec)}
    assert counted == {"acquired": 1, "pd_only_indeterminate": 1, "not_evaluable": 1, "stable_absent": 1}


def test_mechanisms_that_changed_in_most_patients_come_first_and_what_nobody_could_judge_last() -> None:
    said = {
        "QUIET": ["stable_absent", "stable_absent"],
        "UNKNOWN": ["not_evaluable", "not_evaluable"],
        "KEPT": ["preexisting", "stable_absent"],
        "ROSE": ["acquired", "gained"],
        "FELL": ["lost", "not_evaluable"],
    }
    rows = [{"mechanism": name, "transition": one} for name, words in said.items() for one in words]
    assert figures.most_changed_first(pd.DataFrame(rows)) == ["ROSE", "FELL", "KEPT", "QUIET", "UNKNOWN"]


def test_the_same_frames_in_another_order_give_the_same_figures() -> None:
    tables = cohort()
    shuffled = tables.treatment_response.iloc[::-1]
    charts = [figures.swimmer(rows, tables.sample_manifest) for rows in (tables.treatment_response, shuffled)]
    orders = [chart.to_dict()["layer"][0]["encoding"]["y"]["sort"] for chart in charts]
    assert orders == [["P1", "P2", "P3"]] * 2


def paired_tables() -> dict[str, pd.DataFrame]:
    genes = pd.DataFrame(
        {
            "contrast": "BL_PD", "gene_id": ["g1", "g2", "g3"], "gene_symbol": ["CCNE1", "ESR1", "X"], "n_pairs": 9,
            "log2_fold_change": [2.0, -1.5, None], "p_value": [1e-9, 0.2, None], "q_value": [1e-8, 0.3, None],
            "significant": [True, False, False],
        }
    )  # fmt: skip
    sets = pd.DataFrame(
        {
            "contrast": "BL_PD", "signature": ["E2F", "TINY"], "mean_wald_difference": [1.2, None],
            "q_value": [0.01, None], "paired_q_value": [0.02, None], "status": ["OBSERVED", "NOT_EVALUABLE"],
        }
    )  # fmt: skip
    contrasts = pd.DataFrame(
        {
            "contrast": ["BL_PD", "BL_W06"], "n_pairs": [9, 2], "n_left_out": 0, "left_out": "",
            "reason": ["", "TOO_FEW_PAIRS: 2 of 6"],
        }
    )  # fmt: skip
    return {"paired_contrasts": contrasts, "paired_expression": genes, "paired_sets": sets}


def test_expression_figures_draw_what_was_tested_and_nothing_else() -> None:
    parts = {part.anchor: part for part in sections(replace(cohort(), **paired_tables()))}
    for anchor, named, left_out in (("volcano", "CCNE1", "X"), ("set-changes", "E2F", "TINY")):
        spec = figures.themed(parts[anchor].chart)
        alt.Chart.from_dict(spec, validate=True)
        drawn = {row.get("gene_symbol", row.get("signature")) for row in values(spec)}
        assert named in drawn and left_out not in drawn
    assert ("BL to W06", 2, 0, "", "TOO_FEW_PAIRS: 2 of 6") in parts["expression-pairs"].rows


def test_without_a_tested_contrast_the_page_says_how_many_pairs_there_are() -> None:
    tables = paired_tables()
    empty = {name: tables[name].iloc[:0] for name in ("paired_expression", "paired_sets")}
    parts = {part.anchor: part for part in sections(replace(cohort(), **{**tables, **empty}))}
    assert parts["volcano"].chart is None and parts["set-changes"].chart is None
    assert len(parts["expression-pairs"].rows) == 2
