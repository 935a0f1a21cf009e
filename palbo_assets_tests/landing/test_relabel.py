"""A correction of a label: it follows the content, overrules manifests, says so on receipts, and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from palbo_assets.landing import relabel
from palbo_assets.platform.errors import PalboError
from palbo_assets_tests.landing.conftest import Landing

WHY = {"reason": "genotypes match the other patient", "actor": "ana"}


def owners(landing: Landing) -> dict[str, tuple[str, str]]:
    return {
        file.path.relative_to(landing.root).as_posix(): (file.patient_id, file.timepoint) for file in landing.accepted()
    }


def two_tubes(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "one", timepoint="PD", specimen_id="S1")
    landing.fcs("lab/d2", "PALBO-002", "two", timepoint="PD", specimen_id="S2")
    landing.scan()


def test_a_swap_exchanges_both_specimens_and_undoing_brings_the_ledger_back(landing: Landing) -> None:
    two_tubes(landing)
    before = landing.rows()
    relabel.swap(landing.engine, "S1", "S2", **WHY)
    report = landing.scan()
    assert owners(landing) == {"lab/d1/tube.fcs": ("PALBO-002", "PD"), "lab/d2/tube.fcs": ("PALBO-001", "PD")}
    assert {verdict.reason for verdict in report.changed} == {"W_RELABELLED"}
    assert report.files_verified == 0, "the content was judged before"
    relabel.undo(landing.engine, ["S2"], **WHY)
    landing.scan()
    assert landing.rows() == before


def test_every_correction_stays_on_record_with_who_when_why_before_and_after(landing: Landing) -> None:
    two_tubes(landing)
    relabel.relabel(landing.engine, ["S1"], patient_id="PALBO-009", timepoint="BL", **WHY)
    relabel.undo(landing.engine, ["S1"], reason="the lab found its note", actor="ben")
    first, second = relabel.events(landing.engine)
    assert (first.action, first.actor, first.reason) == ("relabel", "ana", WHY["reason"])
    assert (first.patient_before, first.timepoint_before) == ("PALBO-001", "PD")
    assert (first.patient_after, first.timepoint_after) == ("PALBO-009", "BL")
    assert (second.action, second.actor, second.patient_after) == ("undo", "ben", "PALBO-001")
    assert first.at and first.correction == second.correction
    assert relabel.in_force([first]) and not relabel.in_force([first, second])


def test_neither_a_manifest_nor_the_content_sent_again_undoes_a_correction(landing: Landing) -> None:
    two_tubes(landing)
    relabel.relabel(landing.engine, ["S1"], patient_id="PALBO-009", **WHY)
    landing.scan()
    manifest = landing.root / "lab/d1/delivery.csv"
    manifest.write_text(manifest.read_text() + "\n")
    landing.scan()
    landing.fcs("lab/d3", "PALBO-001", "one", timepoint="PD", specimen_id="S1")
    landing.scan()
    assert owners(landing)["lab/d1/tube.fcs"] == ("PALBO-009", "PD")
    assert landing.statuses()["lab/d3/tube.fcs"] == ("DUPLICATE", "W_DUPLICATE")


def test_a_manifest_that_was_mended_agrees_with_the_correction_silently(landing: Landing) -> None:
    two_tubes(landing)
    relabel.relabel(landing.engine, ["S1"], patient_id="PALBO-009", **WHY)
    landing.fcs("lab/d1", "PALBO-009", "one", timepoint="PD", specimen_id="S1")
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ("ACCEPTED", "")


def test_the_receipt_names_both_places_and_raw_files_stay(landing: Landing) -> None:
    two_tubes(landing)
    raw = [(landing.root / "lab/d1" / name).read_bytes() for name in ("tube.fcs", "delivery.csv")]
    relabel.relabel(landing.engine, ["lab/d1/tube.fcs"], patient_id="PALBO-009", timepoint="W06", **WHY)
    landing.scan()
    (said,) = json.loads((landing.root / "lab/d1/receipt.json").read_text())["files"]
    assert said["reason"] == "W_RELABELLED" and "PALBO-009 W06" in said["message"] and "PALBO-001 PD" in said["message"]
    assert (said["patient_id"], said["timepoint"]) == ("PALBO-009", "W06")
    assert raw == [(landing.root / "lab/d1" / name).read_bytes() for name in ("tube.fcs", "delivery.csv")]


def test_a_file_that_was_deleted_after_it_was_taken_can_be_corrected_and_back(landing: Landing) -> None:
    two_tubes(landing)
    (landing.root / "lab/d1/tube.fcs").unlink()
    landing.scan()
    relabel.relabel(landing.engine, ["S1"], patient_id="PALBO-009", **WHY)
    landing.scan()
    assert owners(landing)["lab/d1/tube.fcs"] == ("PALBO-009", "PD")
    relabel.undo(landing.engine, ["S1"], **WHY)
    landing.scan()
    assert owners(landing)["lab/d1/tube.fcs"] == ("PALBO-001", "PD")


def test_corrections_stack_and_are_taken_back_one_by_one(landing: Landing) -> None:
    two_tubes(landing)
    for patient in ("PALBO-008", "PALBO-009"):
        relabel.relabel(landing.engine, ["S1"], patient_id=patient, **WHY)
        landing.scan()
    for expected in ("PALBO-008", "PALBO-001"):
        relabel.undo(landing.engine, ["S1"], **WHY)
        landing.scan()
        assert owners(landing)["lab/d1/tube.fcs"] == (expected, "PD")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda engine: relabel.relabel(engine, ["nobody"], patient_id="PALBO-009", **WHY), "E_RELABEL"),
        (lambda engine: relabel.relabel(engine, ["S1"], patient_id="palbo 9", **WHY), "E_BAD_PATIENT_ID"),
        (lambda engine: relabel.relabel(engine, ["S1"], patient_id="P-9", timepoint="X", **WHY), "E_UNKNOWN_TIMEPOINT"),
        (lambda engine: relabel.relabel(engine, ["S1"], patient_id="P-9", reason=" ", actor="a"), "E_RELABEL"),
        (lambda engine: relabel.relabel(engine, ["S1"], patient_id="PALBO-001", **WHY), "E_RELABEL"),
        (lambda engine: relabel.relabel(engine, ["S1"], patient_id="P-9", withdrawn={"P-9"}, **WHY), "E_CONSENT"),
        (lambda engine: relabel.swap(engine, "S1", "S1", **WHY), "E_RELABEL"),
        (lambda engine: relabel.undo(engine, ["S1"], **WHY), "E_RELABEL"),
    ],
)  # fmt: skip
def test_a_correction_that_makes_no_sense_records_nothing(
    landing: Landing, wrong: Callable[[object], object], code: str
) -> None:
    two_tubes(landing)
    with pytest.raises(PalboError) as caught:
        wrong(landing.engine)
    assert caught.value.code == code
    assert relabel.events(landing.engine) == []
