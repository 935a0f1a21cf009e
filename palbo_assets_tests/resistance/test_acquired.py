"""Acquired is said only where a baseline sample that would have shown the alteration didn't."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.ctdna.patient_genotypes import plasma_rules, tissue_rules
from palbo_assets.ctdna.settings import Settings as PlasmaSettings
from palbo_assets.ctdna.tables import CTDNA_ORIGINS, PATIENT_GENOTYPES
from palbo_assets.genomics.force_genotype import judge
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.resistance.acquired import alterations_of_progression
from palbo_assets.resistance.settings import AcquiredSettings
from palbo_assets.resistance.tables import ACQUIRED_ALTERATIONS
from palbo_assets_tests.resistance.frames import D538G, R320X, P, forced, rows_of, specimen

RULES = {"tumour": tissue_rules(PlasmaSettings()), "plasma": plasma_rules(PlasmaSettings())}


def counted(timepoint: str, depth: int, alt: int = 0, *, kind: str = "tumour", vaf: float = 0.2, **more: Any) -> Any:
    """A sample judged as the genotypes' product judges it, with the fraction ``vaf`` to be expected."""
    called = bool(more.pop("called", False))
    variant = more.pop("variant", D538G)
    found = judge(depth, alt, 1e-4, vaf, called=called, rules=RULES[kind])
    return forced(
        timepoint, variant, kind=kind, depth=depth, alt=alt, expected=vaf, called=called, trace=found.trace,
        state=found.state, power=found.power, reason=found.reason, vaf=alt / depth if depth else None, **more,
    )  # fmt: skip


def progression(kind: str = "tumour", alt: int = 40, depth: int = 200, **more: Any) -> Any:
    return counted("PD", depth, alt, kind=kind, called=True, **more)


def off_panel(timepoint: str = "BL") -> Any:
    return forced(
        timepoint, D538G, kind="plasma", depth=0, state="NOT_ASSAYED", reason="OFF_PANEL", panel_version="v1"
    ) | {"depth": None, "alt_count": None}  # fmt: skip


def found(*genotypes: Any, blocked: bool = False, origin: str | None = None) -> list[dict[str, Any]]:
    origins = [
        {**specimen("PD", "P"), **{name: D538G[name] for name in ("chrom", "pos", "ref", "alt")}, "state": "PRESENT",
         "origin": origin, "reason": "white_cells_free_of_it"}
    ] if origin else []  # fmt: skip
    rows = alterations_of_progression(
        rows_of(PATIENT_GENOTYPES, *genotypes), rows_of(CTDNA_ORIGINS, *origins), identity_blocked=blocked,
        settings=AcquiredSettings.model_validate({}),
    )  # fmt: skip
    validate(ACQUIRED_ALTERATIONS, frame_from_rows(ACQUIRED_ALTERATIONS, [{"patient_id": P, **row} for row in rows]))
    return rows


def verdict(*genotypes: Any, **more: Any) -> tuple[str, str]:
    (row,) = found(*genotypes, **more)
    return row["verdict"], row["reason"]


@pytest.mark.parametrize(("depth", "expected"), [(200, ("acquired", "")), (12, ("pd_only_indeterminate", "LOW_POWER"))])
def test_the_same_silence_at_baseline_is_acquired_only_at_depth(depth: int, expected: tuple[str, str]) -> None:
    assert verdict(counted("BL", depth), progression()) == expected


def test_acquired_carries_the_power_and_what_baseline_said() -> None:
    (row,) = found(counted("BL", 200), progression())
    assert row["power"] > 0.99 and row["baseline"] == "tumour 0/200: ABSENT"
    assert (row["gene"], row["hgvsp_short"], row["confident"], row["max_vaf"]) == ("ESR1", "p.D538G", True, 0.2)


def test_a_baseline_plasma_with_power_makes_what_plasma_shows_acquired() -> None:
    assert verdict(counted("BL", 2000, kind="plasma", vaf=0.02), progression("plasma", vaf=0.02)) == ("acquired", "")


def test_off_its_panel_version_a_baseline_plasma_says_nothing_and_never_that_it_was_absent() -> None:
    (row,) = found(off_panel(), progression("plasma"))
    assert (row["verdict"], row["reason"]) == ("not_evaluable", "NOT_ASSAYED on panel v1")
    assert row["baseline"] == "plasma: NOT_ASSAYED (OFF_PANEL) on panel v1" and row["power"] is None


def test_a_biopsy_excludes_nothing_that_only_plasma_shows() -> None:
    """Other lesions shed it: that the one biopsied lesion lacked it doesn't tell of them."""
    assert verdict(counted("BL", 500), off_panel(), progression("plasma"))[0] == "not_evaluable"


def test_tissue_with_power_suffices_where_the_baseline_plasma_lacked_the_locus() -> None:
    assert verdict(counted("BL", 200), off_panel(), progression(), progression("plasma")) == ("acquired", "")


def test_what_baseline_shows_was_there_before() -> None:
    assert verdict(counted("BL", 200, 20, called=True), progression())[0] == "preexisting"
    in_plasma = counted("BL", 2000, 20, kind="plasma", vaf=0.01, called=True)
    assert verdict(counted("BL", 200), in_plasma, progression()) == (
        "preexisting_subclonal_expanded", "in plasma at baseline",
    )  # fmt: skip


def test_a_trace_in_any_baseline_sample_is_never_acquired() -> None:
    trace = counted("BL", 2000, 3, kind="plasma", vaf=0.02)
    assert verdict(counted("BL", 200), trace, progression()) == (
        "preexisting_subclonal_expanded", "TRACE_BELOW_CALLING_LIMIT",
    )  # fmt: skip


def test_a_plasma_that_sheds_nothing_leaves_what_plasma_shows_open() -> None:
    silent = forced("BL", D538G, kind="plasma", depth=2000, expected=0.0, state="NOT_EVALUABLE",
                    reason="NO_TUMOUR_DNA_SEEN")  # fmt: skip
    assert verdict(silent, progression("plasma")) == ("pd_only_indeterminate", "NO_TUMOUR_DNA_SEEN")


@pytest.mark.parametrize("reason", ["E_IDENTITY_MISMATCH", "QC_FAIL"])
def test_a_sample_that_failed_or_is_another_persons_neither_shows_nor_excludes(reason: str) -> None:
    refused = counted("BL", 300) | {"state": "NOT_EVALUABLE", "reason": reason, "power": 1.0}
    assert verdict(refused, progression()) == ("not_evaluable", reason)
    second = counted("BL", 300) | {"specimen_id": "second"}
    assert verdict(refused, second, progression()) == ("acquired", "")


def test_of_two_baseline_biopsies_the_shallow_one_leaves_it_open() -> None:
    assert verdict(counted("BL", 300), counted("BL", 12) | {"specimen_id": "b"}, progression())[0] == (
        "pd_only_indeterminate"
    )


def test_without_a_baseline_sample_or_with_a_swapped_pair_nothing_is_said() -> None:
    assert verdict(progression()) == ("not_evaluable", "NO_BASELINE_SAMPLE")
    assert verdict(counted("BL", 300), progression(), blocked=True) == ("not_evaluable", "E_IDENTITY_MISMATCH")


def test_what_progression_doesnt_show_has_no_row() -> None:
    assert found(counted("BL", 300, 30, called=True), counted("PD", 300)) == []


@pytest.mark.parametrize(
    ("now", "doubts"),
    [
        (progression(variant=R320X), ""),
        (progression(alt=4, depth=20, variant=R320X), "few_fragments"),
        (progression(alt=10, variant=R320X), "formalin"),  # C>T at 5 %
        (progression("plasma"), "origin_not_shown"),
    ],
)
def test_alterations_that_may_be_artefacts_or_blood_cells_are_not_confident(now: Any, doubts: str) -> None:
    (row,) = found(now)
    assert (row["doubts"], row["confident"]) == (doubts, not doubts)


def test_white_cells_decide_what_is_believed_of_plasma() -> None:
    assert [found(progression("plasma"), origin=said)[0]["confident"] for said in ("TUMOUR", "CHIP", "UNRESOLVED")] == [
        True, False, False,
    ]  # fmt: skip
    in_blood = forced("BL", D538G, kind="normal", depth=100, alt=3)
    assert found(progression("plasma"), in_blood, origin="TUMOUR")[0]["doubts"] == "in_white_cells"


def test_silent_alterations_dont_change_a_protein() -> None:
    (silent,) = found(progression(variant={**D538G, "consequence": "Silent"}))
    (listed,) = found(progression("plasma", variant={**D538G, "consequence": None}))
    assert (silent["protein_changing"], listed["protein_changing"]) == (False, True)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 8), st.floats(0.01, 0.5), st.sampled_from(["tumour", "plasma"]))
def test_acquired_is_never_said_without_power_nor_with_a_trace(depth: int, alt: int, vaf: float, kind: str) -> None:
    before = counted("BL", depth, min(alt, depth), kind=kind, vaf=vaf)
    said, _ = verdict(before, progression(kind, vaf=vaf))
    powered = before["power"] >= 0.8 and not before["trace"]
    assert (said == "acquired") == powered
