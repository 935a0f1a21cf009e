"""Every cell of the grid has one state, and the state says why."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from palbo_assets.clinical.delivery_ledger import delivery_ledger
from palbo_assets.study.protocol import load_protocol

PROTOCOL = load_protocol()
LATE = 49 + PROTOCOL.delivery_days  # last day on which a W06 delivery isn't late


def patient(**changes: Any) -> pd.DataFrame:
    row = {"patient_id": "P-1", "cohorts": "TIL", "withdrawn": False, "pd_day": None, "data_cut_day": 1000, **changes}
    return pd.DataFrame([row]).astype({"pd_day": "Int64", "data_cut_day": "Int64", "cohorts": "string"})


def files(*rows: dict[str, Any]) -> pd.DataFrame:
    base = {"patient_id": "P-1", "timepoint": "W06", "modality": "facs", "role": "fcs", "status": "ACCEPTED",
            "reason": None, "received_at": "2019-05-01T10:00:00+00:00"}  # fmt: skip
    return pd.DataFrame([{**base, **row} for row in rows], columns=list(base))


def published(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["product", "patient_id", "timepoint"])


def manifest(*rows: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        list(rows), columns=["patient_id", "timepoint", "modality", "specimen_type", "status", "reason"]
    )


def cell(
    timepoint: str = "W06",
    assay: str = "facs",
    *,
    patients: pd.DataFrame | None = None,
    specimens: pd.DataFrame | None = None,
    landed: pd.DataFrame | None = None,
    done: pd.DataFrame | None = None,
) -> dict[str, Any]:
    rows = delivery_ledger(
        patient() if patients is None else patients,
        manifest() if specimens is None else specimens,
        files() if landed is None else landed,
        published() if done is None else done,
        PROTOCOL,
    )
    (found,) = [row for row in rows if (row["timepoint"], row["assay"]) == (timepoint, assay)]
    return found


def test_grid_is_the_full_cross_product() -> None:
    rows = delivery_ledger(patient(), manifest(), files(), published(), PROTOCOL)
    assert len(rows) == 4 * len(PROTOCOL.assays)
    assert len({(row["patient_id"], row["timepoint"], row["assay"]) for row in rows}) == len(rows)


def test_what_is_not_planned_is_not_expected_and_never_late() -> None:
    found = cell("PD", "facs")
    assert (found["state"], found["expected"], found["due_day"]) == ("NOT_EXPECTED", False, None)


@pytest.mark.parametrize(
    ("cut", "state"), [(49, "NOT_YET_DUE"), (50, "EXPECTED"), (LATE, "EXPECTED"), (LATE + 1, "OVERDUE"),
                       (None, "NOT_YET_DUE")]
)  # fmt: skip
def test_clock_is_the_clinical_data_cut(cut: int | None, state: str) -> None:
    assert cell(patients=patient(data_cut_day=cut))["state"] == state


def test_pair_that_has_not_progressed_waits_for_nothing_at_progression() -> None:
    found = cell("PD", "ctdna", patients=patient(cohorts="PAIR"))
    assert (found["state"], found["reason"], found["expected"]) == ("NOT_YET_DUE", "no progression documented", True)


def test_stable_patient_of_the_substudy_is_not_expected_to_have_a_progression_biopsy() -> None:
    assert cell("PD", "wes_tumour", patients=patient(pd_day=300))["state"] == "NOT_EXPECTED"


def test_accepted_file_is_received_and_a_published_product_is_ready() -> None:
    received = cell(landed=files({}))
    assert (received["state"], received["received_at"]) == ("RECEIVED", "2019-05-01T10:00:00+00:00")
    ready = cell(landed=files({}), done=published(("facs_abundances", "P-1", "W06")))
    assert (ready["state"], ready["received_at"]) == ("READY", "2019-05-01T10:00:00+00:00")


def test_file_that_waits_says_for_what() -> None:
    found = cell(landed=files({"status": "WAITING", "reason": "W_WAITING_FOR"}))
    assert (found["state"], found["reason"]) == ("RECEIVED", "W_WAITING_FOR")


def test_quarantined_file_shows_its_reason_until_a_good_one_comes() -> None:
    bad = {"status": "QUARANTINED", "reason": "E_UNSTAINED", "received_at": "2019-05-02T10:00:00+00:00"}
    refused = cell(landed=files(bad))
    assert (refused["state"], refused["reason"]) == ("QUARANTINED", "E_UNSTAINED")
    assert cell(landed=files(bad, {}))["state"] == "RECEIVED"


def test_superseded_files_and_duplicates_are_no_deliveries() -> None:
    landed = files({"status": "SUPERSEDED"}, {"status": "DUPLICATE"})
    assert cell(landed=landed)["state"] == "OVERDUE"


def test_failed_quality_control_is_not_ready() -> None:
    done = published(("facs_abundances", "P-1", "W06")).assign(qc="fail")
    assert cell(landed=files({}), done=done)["state"] == "QC_FAIL"


def test_file_of_many_patients_makes_a_cell_ready_through_its_product() -> None:
    plate = files({"patient_id": "", "timepoint": "", "modality": "elisa", "role": "plate"})
    pair = patient(cohorts="PAIR")
    assert cell("BL", "nrg1_elisa", patients=pair, landed=plate)["state"] == "OVERDUE"
    done = published(("nrg1_elisa", "P-1", "BL"))
    assert cell("BL", "nrg1_elisa", patients=pair, landed=plate, done=done)["state"] == "READY"


@pytest.mark.parametrize("role", ["control", "compensation"])
def test_a_control_tube_or_a_matrix_alone_is_no_blood_sample(role: str) -> None:
    done = published(("facs_abundances", "P-1", "W06"))
    assert cell(landed=files({"role": role}), done=done)["state"] == "OVERDUE"
    assert cell(landed=files({"role": role}, {}))["state"] == "RECEIVED"


def test_germline_and_tumour_files_of_one_modality_are_told_apart() -> None:
    tumour = files({"timepoint": "BL", "modality": "wes", "role": "tumour_bam"})
    assert cell("BL", "wes_tumour", landed=tumour)["state"] == "RECEIVED"
    assert cell("BL", "wes_germline", landed=tumour)["state"] == "OVERDUE"
    germline = files({"timepoint": "", "modality": "wes", "role": "normal_bam"})
    assert cell("BL", "wes_germline", landed=germline)["state"] == "RECEIVED"
    assert cell("W06", "wes_germline", landed=germline)["state"] == "NOT_EXPECTED"


def test_specimen_that_was_not_taken_explains_the_missing_delivery() -> None:
    specimens = manifest(("P-1", "W06", "facs", "WHOLE_BLOOD", "NOT_COLLECTED", "patient declined"))
    found = cell(specimens=specimens)
    assert (found["state"], found["reason"]) == ("NOT_COLLECTED", "patient declined")


def test_withdrawn_patient_has_no_deliveries_whatever_landed() -> None:
    gone = patient(withdrawn=True)
    done = published(("facs_abundances", "P-1", "W06"))
    found = cell(patients=gone, landed=files({}), done=done)
    assert (found["state"], found["received_at"]) == ("WITHDRAWN", None)
    assert cell("PD", patients=gone)["state"] == "NOT_EXPECTED"


def test_file_that_nobody_planned_is_shown_all_the_same() -> None:
    found = cell("PD", "facs", landed=files({"timepoint": "PD"}))
    assert (found["state"], found["expected"]) == ("RECEIVED", False)
