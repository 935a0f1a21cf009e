"""RECIST over another project's tumour measurements (CDISC SDTM, eight synthetic subjects, three readers)."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from palbo_assets.clinical.recist import Lesion, Response, Visit, assess
from palbo_assets.clinical.settings import Settings

READERS = [
    ("INVESTIGATOR", "NA"),
    ("INDEPENDENT ASSESSOR", "RADIOLOGIST 1"),
    ("INDEPENDENT ASSESSOR", "RADIOLOGIST 2"),
]


# Reader 2 calls a lesion of 4.95 mm that is back after complete response a partial response. RECIST 1.1 (table 3,
# note a) calls any disease after complete response progression, as did the other two readers, who measured 5 mm.
EXPLAINED = {("RADIOLOGIST 2", "01-701-1133", 63): ("PR", "PD")}


def read(folder: Path, name: str, reader: tuple[str, str], prefix: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if (row[f"{prefix}EVAL"], row[f"{prefix}EVALID"]) == reader]


def visits_of(folder: Path, reader: tuple[str, str]) -> dict[str, list[Visit]]:
    """Visits of each subject, baseline first. The visit's number in three-week steps stands in for the day."""
    nodes = {
        (row["USUBJID"], row["TULNKID"])
        for row in read(folder, "tu_onco_recist.csv", reader, "TU")
        if row["TULOC"] == "LYMPH NODE"
    }
    targets: dict[tuple[str, int], dict[str, Lesion]] = defaultdict(dict)
    states: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in read(folder, "tr_onco_recist.csv", reader, "TR"):
        subject, lesion, visit = row["USUBJID"], row["TRLNKID"], (row["USUBJID"], int(row["VISITNUM"]))
        is_node = (subject, lesion) in nodes
        if row["TRTESTCD"] == ("LPERP" if is_node else "LDIAM"):
            targets[visit][lesion] = Lesion(float(row["TRSTRESN"]), is_node)
        elif row["TRTESTCD"] == "TUMSTATE":
            states[visit][lesion] = row["TRSTRESC"]
    found: dict[str, list[Visit]] = defaultdict(list)
    for subject, number in sorted({*targets, *states}):
        seen = states.get((subject, number))
        nontarget = None
        if seen:
            nontarget = Response.CR if set(seen.values()) == {"ABSENT"} else Response.NON_CR_NON_PD
        found[subject].append(Visit(21 * (number - 1), targets.get((subject, number), {}), nontarget))
    return found


@pytest.mark.parametrize("reader", READERS, ids=["investigator", "radiologist-1", "radiologist-2"])
def test_overall_response_of_every_visit_is_the_readers(shared_data: Path, reader: tuple[str, str]) -> None:
    folder = shared_data / "clinical" / "recist_sdtm"
    visits = visits_of(folder, reader)
    recorded = {
        (row["USUBJID"], 21 * (int(row["VISITNUM"]) - 1)): row["RSSTRESC"]
        for row in read(folder, "rs_onco_recist.csv", reader, "RS")
    }
    computed = {
        (subject, each.day): str(each.overall)
        for subject, (baseline, *later) in visits.items()
        for each in assess(baseline, later, Settings())
    }
    assert len(recorded) == 22
    differing = {
        (reader[1], *key): (recorded[key], computed[key]) for key in recorded if computed[key] != recorded[key]
    }
    assert differing == {key: pair for key, pair in EXPLAINED.items() if key[0] == reader[1]}
