"""What becomes of a file over time: corrected, repeated, moved, deleted, late, contradicted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from palbo_assets.landing import admission, record
from palbo_assets.landing.files import ledger_frame, patients_with_files
from palbo_assets.landing.problem import Status
from palbo_assets.landing.scan import check
from palbo_assets.platform.formats import Context
from palbo_assets_tests.landing.conftest import QUICK, Landing, verdict
from palbo_assets_tests.landing.fakes import REGISTRY

ACCEPTED = ("ACCEPTED", "")


def drop(landing: Landing, content: str, *, patient: str = "PALBO-001", name: str = "tube.fcs") -> Path:
    folder = landing.root / "facs" / patient / "BL"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


# --- completeness --------------------------------------------------------------------------------------------------


def test_a_file_without_manifest_waits_until_it_has_held_still(landing: Landing) -> None:
    path = drop(landing, "half")
    assert verdict(landing.scan(), "tube.fcs").reason == "W_SETTLING"
    path.write_text("half and more")
    assert verdict(landing.scan(40), "tube.fcs").reason == "W_SETTLING"
    assert landing.rows() == []
    assert verdict(landing.scan(40), "tube.fcs").status is Status.ACCEPTED
    assert [file.patient_id for file in landing.accepted()] == ["PALBO-001"]


def test_a_row_without_checksum_waits_in_the_same_way(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x", sha256="")
    assert verdict(landing.scan(), "tube.fcs").reason == "W_SETTLING"
    assert verdict(landing.scan(40), "tube.fcs").status is Status.ACCEPTED


def test_a_delivery_is_not_looked_at_before_its_manifest_is_there(landing: Landing) -> None:
    folder = landing.root / "lab/d1"
    folder.mkdir(parents=True)
    (folder / "tube.fcs").write_text("x")
    report = landing.scan()
    assert (report.files, report.awaited) == ((), ("lab/d1",))


def test_a_file_that_changes_while_it_is_hashed_is_left_for_later(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "first")
    real = admission.sha256_of

    def growing(path: Path, fingerprint: tuple[int, int, int]) -> str:
        with path.open("a") as stream:
            stream.write("more")
        return real(path, fingerprint)

    monkeypatch.setattr(admission, "sha256_of", growing)
    assert verdict(landing.scan(), "tube.fcs").reason == "W_CHANGING"
    monkeypatch.undo()
    (folder / "tube.fcs").write_text("first")
    assert verdict(landing.scan(), "tube.fcs").status is Status.ACCEPTED


def test_a_checksum_that_differs_is_quarantined_and_heals_when_the_file_is_sent_again(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "right")
    (folder / "tube.fcs").write_text("wrong")
    found = verdict(landing.scan(), "tube.fcs")
    assert (found.reason, found.row, found.column) == ("E_CHECKSUM", 2, "sha256")
    (folder / "tube.fcs").write_text("right")
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ACCEPTED
    assert sorted(str(row["reason"]) for row in landing.rows()) == ["", "E_CHECKSUM"]  # the history stays


def test_a_named_file_that_is_missing_waits_and_is_taken_when_it_comes(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x", sha256="")
    (folder / "tube.fcs").unlink()
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ("WAITING", "W_MISSING_FILE")
    (folder / "tube.fcs").write_text("x")
    landing.scan()
    landing.scan(40)
    assert [(row["status"], row["path"]) for row in landing.rows()] == [("ACCEPTED", "lab/d1/tube.fcs")]


def test_a_file_that_the_manifest_does_not_name_waits_for_its_row(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    (folder / "extra.fcs").write_text("y")
    landing.scan()
    assert landing.statuses()["lab/d1/extra.fcs"] == ("WAITING", "W_NOT_IN_MANIFEST")


def test_an_empty_file_is_quarantined(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "")
    assert [item.reason for item in landing.scan().refused] == ["E_EMPTY"]


# --- corrections, repetitions, the file's own time -----------------------------------------------------------------


def test_a_corrected_file_in_place_supersedes_what_was_there(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "first")
    landing.scan()
    landing.fcs("lab/d1", "PALBO-001", "corrected")
    report = landing.scan()
    assert [file.sha256 for file in report.newly_accepted] == [verdict(report, "tube.fcs").sha256]
    assert sorted((row["status"], row["reason"]) for row in landing.rows()) == [
        ("ACCEPTED", ""),
        ("SUPERSEDED", "W_REPLACED"),
    ]
    landing.fcs("lab/d1", "PALBO-001", "first")
    landing.scan()
    assert len(landing.accepted()) == 1 and len(landing.rows()) == 2


def test_a_corrected_file_in_a_later_delivery_supersedes_the_earlier_one(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "first", specimen_id="S1")
    landing.scan()
    landing.fcs("lab/a0", "PALBO-001", "second", specimen_id="S1", name="again.fcs")
    landing.scan()
    assert landing.statuses() == {"lab/d1/tube.fcs": ("SUPERSEDED", "W_SUPERSEDED"), "lab/a0/again.fcs": ACCEPTED}
    by_path = {row["path"]: row for row in landing.rows()}
    assert by_path["lab/a0/again.fcs"]["supersedes"] == by_path["lab/d1/tube.fcs"]["id"]


def test_a_bad_correction_does_not_displace_the_good_file(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "good")
    landing.scan()
    landing.fcs("lab/d2", "PALBO-001", "TRUNCATED")
    landing.scan()
    assert landing.statuses() == {"lab/d1/tube.fcs": ACCEPTED, "lab/d2/tube.fcs": ("QUARANTINED", "E_TRUNCATED")}


def test_files_of_one_delivery_and_other_specimens_libraries_or_callers_stand_beside_each_other(
    landing: Landing,
) -> None:
    vcf = {"modality": "wes", "patient_id": "P-1", "timepoint": "BL", "role": "somatic_vcf"}
    landing.deliver(
        "lab/d1", {"a.vcf": "SLOT mutect2", "b.vcf": "other"}, [{**vcf, "file": f} for f in ("a.vcf", "b.vcf")]
    )
    landing.scan()
    landing.deliver("lab/d2", {"c.vcf": "SLOT vardict"}, [{**vcf, "file": "c.vcf"}])
    landing.deliver("lab/d3", {"a.vcf": "third"}, [{**vcf, "file": "a.vcf", "library": "L2"}])
    landing.deliver("lab/d4", {"x.vcf": "fourth"}, [{**vcf, "file": "x.vcf", "sample_name": "T2"}])
    landing.scan()
    assert {status for status, _ in landing.statuses().values()} == {"ACCEPTED"}
    landing.deliver("lab/d5", {"a.vcf": "SLOT mutect2 corrected"}, [{**vcf, "file": "a.vcf"}])
    landing.scan()
    superseded = [path for path, (status, _) in landing.statuses().items() if status == "SUPERSEDED"]
    assert superseded == ["lab/d1/a.vcf"]


def test_the_same_content_again_is_a_duplicate(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x", specimen_id="S1")
    landing.scan()
    landing.fcs("lab/d2", "PALBO-001", "x", specimen_id="S1")
    report = landing.scan()
    assert landing.statuses()["lab/d2/tube.fcs"] == ("DUPLICATE", "W_DUPLICATE")
    assert report.newly_accepted == ()


@pytest.mark.parametrize("age", [-40 * 365 * 86400, 365 * 86400])
def test_the_time_a_file_claims_for_itself_decides_nothing(landing: Landing, age: int) -> None:
    first = landing.fcs("lab/d1", "PALBO-001", "first")
    landing.scan()
    corrected = landing.fcs("lab/d2", "PALBO-001", "second")
    for folder, shift in ((first, 0), (corrected, age)):
        seconds = landing.now.timestamp() + shift
        os.utime(folder / "tube.fcs", (seconds, seconds))
    landing.scan()
    landing.fcs("lab/d3", "PALBO-002", "other")
    landing.scan()
    assert landing.statuses() == {
        "lab/d1/tube.fcs": ("SUPERSEDED", "W_SUPERSEDED"),
        "lab/d2/tube.fcs": ACCEPTED,
        "lab/d3/tube.fcs": ACCEPTED,
    }


def test_touching_a_file_changes_nothing(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    before = landing.rows()
    (folder / "tube.fcs").touch()
    report = landing.scan()
    assert (report.changed, report.newly_accepted, landing.rows()) == ((), (), before)


def test_a_deleted_file_stays_accepted_and_coming_back_or_arriving_elsewhere_changes_no_input(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    before = [file.sha256 for file in landing.accepted()]
    (folder / "tube.fcs").unlink()
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ("ACCEPTED", "W_SOURCE_MISSING")
    landing.fcs("lab/d2", "PALBO-001", "x")
    landing.scan()
    (current,) = landing.accepted()
    assert current.path.is_file() and [current.sha256] == before
    shutil.rmtree(landing.root / "lab/d2")
    (folder / "tube.fcs").write_text("x")
    landing.scan()
    (current,) = landing.accepted()
    assert current.path.is_file() and [current.sha256] == before


def test_a_manifest_that_breaks_later_leaves_what_was_decided(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    manifest = (folder / "delivery.csv").read_text()
    (folder / "delivery.csv").write_text("file;modality\n")
    report = landing.scan()
    assert report.problems["lab/d1"][0].code == "E_SCHEMA"
    assert landing.statuses() == {"lab/d1/tube.fcs": ACCEPTED, "lab/d1/delivery.csv": ("QUARANTINED", "E_SCHEMA")}
    (folder / "delivery.csv").write_text(manifest)
    landing.scan()
    assert landing.statuses()["lab/d1/delivery.csv"][0] == "SUPERSEDED"
    assert len(landing.accepted()) == 1


def test_a_row_that_is_taken_back_takes_back_the_file(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    landing.manifest("lab/d1", [{"file": "none.fcs", "modality": "facs", "patient_id": "P-1", "timepoint": "BL"}])
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ("WAITING", "W_NOT_IN_MANIFEST")
    assert landing.accepted() == []


def test_a_corrected_claim_moves_the_file_to_the_other_patient(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    landing.fcs("lab/d1", "PALBO-002", "x")
    report = landing.scan()
    assert [file.patient_id for file in landing.accepted()] == ["PALBO-002"]
    assert [item.patient_id for item in report.changed] == ["PALBO-002"]
    assert patients_with_files(landing.engine) == ["PALBO-002"]


# --- contradictions, needs, consent --------------------------------------------------------------------------------


def test_one_content_for_two_patients_is_suspect_on_both_sides_until_a_manifest_is_corrected(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "same")
    landing.scan()
    landing.fcs("lab/d2", "PALBO-002", "same")
    landing.scan()
    assert set(landing.statuses().values()) == {("QUARANTINED", "E_SAMPLE_SWAP_SUSPECT")}
    landing.fcs("lab/d2", "PALBO-002", "its own")
    landing.scan()
    assert set(landing.statuses().values()) == {ACCEPTED}


@pytest.mark.parametrize(
    ("first", "second"),
    [({"timepoint": "BL"}, {"timepoint": "PD"}), ({"specimen_id": "S1"}, {"specimen_id": "S2"})],
)
def test_one_content_for_two_timepoints_or_specimens_is_suspect(
    landing: Landing, first: dict[str, str], second: dict[str, str]
) -> None:
    landing.fcs("lab/d1", "PALBO-001", "same", **first)
    landing.fcs("lab/d2", "PALBO-001", "same", **second)
    landing.scan()
    assert set(landing.statuses().values()) == {("QUARANTINED", "E_SAMPLE_SWAP_SUSPECT")}


def test_a_suspect_correction_does_not_displace_the_good_file(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "good")
    landing.fcs("lab/d2", "PALBO-002", "same")
    landing.scan()
    landing.fcs("lab/d3", "PALBO-001", "same")
    landing.scan()
    found = landing.statuses()
    assert found["lab/d1/tube.fcs"] == ACCEPTED
    assert found["lab/d2/tube.fcs"] == found["lab/d3/tube.fcs"] == ("QUARANTINED", "E_SAMPLE_SWAP_SUSPECT")


def test_a_file_that_samples_may_share_is_not_suspect(landing: Landing) -> None:
    for number, patient in enumerate(("P-1", "P-2")):
        row = {"file": "gates.xml", "modality": "facs", "patient_id": patient, "timepoint": "BL"}
        landing.deliver(f"lab/d{number}", {"gates.xml": "same gates"}, [row])
    landing.scan()
    assert set(landing.statuses().values()) == {ACCEPTED}


def test_a_file_waits_for_what_it_needs_wherever_and_whenever_that_comes(landing: Landing) -> None:
    tumour = {"file": "t.bam", "modality": "wes", "patient_id": "P-1", "timepoint": "PD", "role": "tumour_bam"}
    landing.deliver("lab/d1", {"t.bam": "tumour"}, [tumour])
    found = verdict(landing.scan(), "t.bam")
    assert (found.status, found.reason) == (Status.WAITING, "W_INCOMPLETE")
    assert "normal_bam" in found.message
    normal = {"file": "n.bam", "modality": "wes", "patient_id": "P-1", "role": "normal_bam"}
    landing.deliver("other/d9", {"n.bam": "TRUNCATED"}, [normal])
    assert verdict(landing.scan(), "t.bam").reason == "W_INCOMPLETE"
    landing.deliver("other/d9", {"n.bam": "normal"}, [normal])
    report = landing.scan()
    assert {file.role for file in report.newly_accepted} == {"tumour_bam", "normal_bam"}


def test_a_refused_companion_is_not_held_against_the_file_beside_it(landing: Landing) -> None:
    ids = {"modality": "facs", "patient_id": "P-1", "timepoint": "BL"}
    rows = [{"file": "a.fcs", **ids}, {"file": "g.xml", **ids}]
    landing.deliver("lab/d1", {"a.fcs": "a larger file of events", "g.xml": "TRUNCATED"}, rows)
    landing.scan()
    assert [(file.role, file.facts["siblings"]) for file in landing.accepted()] == [("fcs", "")]
    landing.deliver("lab/d1", {"a.fcs": "a larger file of events", "g.xml": "gates"}, rows)
    landing.scan()
    assert {file.role: file.facts["siblings"] for file in landing.accepted()} == {"fcs": "gating", "gating": "fcs"}


def test_plates_are_read_with_the_layout_of_the_nearest_name(landing: Landing) -> None:
    files = {
        f"{kind}_{plate}.{suffix}": f"{kind} {plate}"
        for plate in ("p1", "p2")
        for kind, suffix in (("plate", "txt"), ("layout", "csv"))
    }
    landing.deliver("lab/d1", files, [{"file": name, "modality": "elisa"} for name in files])
    landing.scan()
    assert sorted((file.role, file.batch_key) for file in landing.accepted()) == [
        ("layout", "p1"),
        ("layout", "p2"),
        ("plate", "p1"),
        ("plate", "p2"),
    ]


def test_files_of_a_withdrawn_patient_are_not_even_read(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    landing.withdrawn = frozenset({"PALBO-001"})
    landing.fcs("lab/d2", "PALBO-001", "y", timepoint="PD")
    report = landing.scan()
    assert {item.reason for item in report.files} == {"E_CONSENT"}
    assert report.bytes_hashed == 0
    assert landing.accepted() == []
    assert patients_with_files(landing.engine) == []


def test_a_file_of_another_genome_build_is_refused_once_a_reference_is_known(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "BUILD hg19")
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ACCEPTED
    landing.genome = Context(genome_build="GRCh38", contig_lengths={"chr1": 248956422})
    landing.scan()
    assert landing.statuses()["lab/d1/tube.fcs"] == ("QUARANTINED", "E_BUILD_MISMATCH")


def test_a_rejection_by_an_older_version_of_the_code_is_tried_again(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.fcs("lab/d1", "PALBO-001", "TRUNCATED")
    landing.fcs("lab/d2", "PALBO-002", "good")
    landing.scan()
    landing.fcs("lab/d3", "PALBO-003", "good too")
    assert landing.scan().files_verified == 1
    monkeypatch.setattr(admission, "verifier_name", lambda file_format: "a newer version")
    landing.fcs("lab/d4", "PALBO-004", "another")
    assert landing.scan().files_verified == 2


# --- bounded work, crashes, nothing touched --------------------------------------------------------------------------


def test_a_scan_stops_at_its_limits_and_the_next_ones_finish(landing: Landing) -> None:
    landing.settings = QUICK.model_copy(update={"bytes_per_scan": 25})
    for number in range(9):
        landing.fcs(f"lab/d{number}", f"PALBO-{number}", f"content {number}")
    report = landing.scan()
    assert report.unfinished and report.remaining == 7
    assert {item.reason for item in report.files if item.status is Status.WAITING} == {"W_QUEUED"}
    for _ in range(4):
        assert len(landing.scan().newly_accepted) <= 2
    assert len(landing.accepted()) == 9 and landing.scan().quiet


def test_a_crash_between_hashing_and_recording_only_repeats_the_decision(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        landing.fcs(f"lab/d{number}", f"PALBO-{number}", f"content {number}")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for module, name in ((admission, "verify_contents"), (record, "upsert")):
        target = (
            "palbo_assets.landing.work.verify_contents" if module is admission else "palbo_assets.landing.record.upsert"
        )
        monkeypatch.setattr(target, crash)
        with pytest.raises(KeyboardInterrupt):
            landing.scan()
        monkeypatch.undo()
        assert landing.rows() == [], name
    report = landing.scan()
    assert (report.bytes_hashed, report.files_verified) == (0, 0)  # both were remembered
    assert len(landing.accepted()) == 3


def test_raw_files_and_manifests_are_never_touched(landing: Landing) -> None:
    for number, content in enumerate(("good", "TRUNCATED", "CRASH", "")):
        landing.fcs(f"lab/d{number}", f"PALBO-{number}", content)
    drop(landing, "loose", patient="PALBO-9")

    def facts() -> dict[str, tuple[bytes, int, int, int]]:
        found = {}
        for path in sorted(landing.root.rglob("*")):
            if path.is_file() and not path.name.startswith("receipt."):
                seen = path.stat()
                found[str(path)] = (path.read_bytes(), seen.st_mtime_ns, seen.st_ino, seen.st_mode)
        return found

    before = facts()
    landing.scan()
    landing.scan(40)
    assert facts() == before


def test_check_gives_the_same_verdicts_and_writes_nothing(landing: Landing) -> None:
    rows = [
        {"file": "a.fcs", "modality": "facs", "patient_id": "P-1", "timepoint": "BL"},
        {"file": "b.fcs", "modality": "facs", "patient_id": "P-2", "timepoint": "BL"},
        {"file": "t.bam", "modality": "wes", "patient_id": "P-1", "timepoint": "BL", "role": "tumour_bam"},
        {"file": "gone.fcs", "modality": "facs", "patient_id": "P-3", "timepoint": "BL"},
        {"file": "c.fcs", "modality": "facs", "patient_id": "p", "timepoint": "BL"},
    ]
    folder = landing.deliver("lab/d1", {"a.fcs": "good", "b.fcs": "ROW", "t.bam": "x", "c.fcs": "y"}, rows)
    before = sorted(folder.iterdir())
    said = check(folder, registry=REGISTRY, settings=QUICK)
    assert sorted(folder.iterdir()) == before and landing.rows() == []
    real = landing.scan()
    assert {(item.file, item.status, item.reason, item.row) for item in said.files} == {
        (item.file, item.status, item.reason, item.row) for item in real.files
    }
    assert [item.reason for item in check(folder / "b.fcs", registry=REGISTRY, settings=QUICK).files] == ["E_SCHEMA"]
    assert said.as_table().row_count == len(said.files) + len(said.problems.get("d1", ()))


def test_check_of_a_single_file_finds_its_kind_by_reading_it(tmp_path: Path) -> None:
    for name, content, reason in (("a.sf", "x", ""), ("b.sf", "ROW", "E_SCHEMA"), ("c.xyz", "x", "E_UNKNOWN_ROLE")):
        (tmp_path / name).write_text(content)
        (found,) = check(tmp_path / name, registry=REGISTRY, settings=QUICK).files
        assert found.reason == reason


def test_the_ledger_frame_has_what_products_ask_of_it_and_changes_only_with_the_ledger(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "x", specimen_id="S1")
    landing.scan()
    frame = ledger_frame(landing.engine)
    assert frame.loc[0, ["file", "delivery", "patient_id", "specimen_id", "status"]].tolist() == [
        "lab/d1/tube.fcs",
        "lab/d1",
        "PALBO-001",
        "S1",
        "ACCEPTED",
    ]
    landing.scan()
    assert ledger_frame(landing.engine).equals(frame)
