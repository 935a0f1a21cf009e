"""What a lab writes into delivery.csv, and what the landing understands of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.landing.manifest import COLUMNS, canonical, parse_manifest, read_manifest, spans
from palbo_assets.landing.names import problem_of_path
from palbo_assets.landing.recognise import recognise
from palbo_assets.platform.formats import Claim
from palbo_assets_tests.landing.fakes import REGISTRY

HEADER = "file,modality,patient_id,timepoint,specimen_id,sha256"
ROW = {"file": "a.fcs", "modality": "facs", "patient_id": "PALBO-001", "timepoint": "BL"}


@pytest.mark.parametrize(
    ("label", "canonical_name"),
    [("BL", "BL"), ("pre", "BL"), ("C1D1", "BL"), ("baseline", "BL"), ("W6", "W06"), ("wk12", "W12"), ("PROG", "PD")],
)
def test_timepoints_are_understood_under_the_names_that_labs_use(label: str, canonical_name: str) -> None:
    claim, problem = canonical({**ROW, "timepoint": label})
    assert (claim.timepoint, problem) == (canonical_name, None)


@pytest.mark.parametrize(
    ("column", "cell", "code", "hint"),
    [
        ("modality", "WSE", "E_UNKNOWN_MODALITY", "did you mean 'wes'"),
        ("modality", "", "E_UNKNOWN_MODALITY", "use one of"),
        ("patient_id", "palbo-001", "E_BAD_PATIENT_ID", "capitals"),
        ("patient_id", "PALBO--001", "E_BAD_PATIENT_ID", "single hyphens"),
        ("patient_id", "PALBO|001", "E_BAD_PATIENT_ID", "study id"),
        ("timepoint", "W99", "E_UNKNOWN_TIMEPOINT", "BL, W06, W12, PD"),
        ("sha256", "d41d8cd98f00b204e9800998ecf8427e", "E_SCHEMA", "MD5"),
        ("sha256", "z" * 64, "E_SCHEMA", "64 hexadecimal"),
        ("specimen_id", "<img src=x>", "E_SCHEMA", "letters, digits"),
        ("specimen_id", "900101-1234567", "E_PHI_FOUND", "study ids"),
        ("note", "call 010-1234-5678", "E_PHI_FOUND", "study ids"),
        ("collected_on", "soon", "E_SCHEMA", "year-month-day"),
        ("note", "x" * 2000, "E_SCHEMA", "shorten"),
    ],
)
def test_a_bad_cell_names_its_column_and_the_way_out_and_is_not_repeated(
    column: str, cell: str, code: str, hint: str
) -> None:
    claim, problem = canonical({**ROW, column: cell})
    assert problem is not None
    assert (problem.code, problem.column) == (code, column)
    assert hint in problem.fix
    assert not cell or cell not in problem.message + problem.fix
    assert getattr(claim, column) == ""


def test_a_checksum_whose_digits_look_like_a_telephone_number_is_a_checksum() -> None:
    assert canonical({**ROW, "sha256": "a01012345678b".ljust(64, "0")})[1] is None


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_manifest_may_carry_a_byte_order_mark_and_windows_line_ends(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "delivery.csv"
    path.write_bytes(mark + f"{HEADER}\r\na.fcs,facs,PALBO-001,BL,S1,\r\n".encode())
    assert [claim.file for claim in read_manifest(path).claims] == ["a.fcs"]


def test_a_korean_manifest_in_cp949_is_read(tmp_path: Path) -> None:
    path = tmp_path / "delivery.csv"
    path.write_bytes(f"{HEADER},note\na.fcs,facs,PALBO-001,BL,S1,,냉동 보관\n".encode("cp949"))
    assert read_manifest(path).claims[0].note == "냉동 보관"


@pytest.mark.parametrize(
    ("content", "code", "fix"),
    [
        (b"", "E_EMPTY", ""),
        (HEADER.encode() + b"\n", "E_EMPTY", "add a row"),
        (HEADER.replace(",", ";").encode() + b"\na;b;c;d;e;f\n", "E_SCHEMA", "comma"),
        (b"file,modality,patient,timepoint,specimen_id,sha256\na,b,c,d,e,f\n", "E_SCHEMA", "resembles"),
        (f"{HEADER},file\n".encode(), "E_SCHEMA", "remove one"),
        (f'{HEADER}\n"a,b\n'.encode(), "E_SCHEMA", "quotation mark"),
        (b"file\0,modality\n", "E_SCHEMA", ""),
        (b"\xff\xfe\x00", "E_ENCODING", "UTF-8"),
        (f"{HEADER}\n\xff\xfe\xfd,b\n".encode("latin-1"), "E_ENCODING", "UTF-8"),
    ],
)
def test_a_manifest_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, code: str, fix: str) -> None:
    path = tmp_path / "delivery.csv"
    path.write_bytes(content)
    manifest = read_manifest(path)
    assert manifest.problem is not None
    assert manifest.problem.code == code
    assert fix in manifest.problem.fix


def test_one_bad_row_costs_only_its_own_file_and_like_complaints_are_told_once() -> None:
    rows = "".join(f"f{number}.fcs,facs,palbo-{number},BL,S1,\n" for number in range(200))
    manifest = parse_manifest(f"{HEADER}\n{rows}good.fcs,facs,PALBO-001,BL,S1,\nshort.fcs,facs\n")
    assert [claim.file for claim in manifest.claims] == ["good.fcs"]
    assert [(item.code, item.row) for item in manifest.problems] == [("E_BAD_PATIENT_ID", 2), ("E_SCHEMA", 203)]
    assert "rows 2-201" in manifest.problems[0].message


def test_rows_that_name_the_same_file_contradict_each_other() -> None:
    manifest = parse_manifest(
        f"{HEADER}\na.fcs,facs,PALBO-001,BL,S1,\nb.fcs,facs,PALBO-001,BL,,\na.fcs,facs,PALBO-002,BL,S1,\n"
    )
    assert [row.problem.code if row.problem else "" for row in manifest.rows] == ["E_NAMED_TWICE", "", "E_NAMED_TWICE"]


def test_row_numbers_are_lines_also_after_a_cell_that_spans_several() -> None:
    manifest = parse_manifest(f'{HEADER},note\na.fcs,facs,PALBO-001,BL,S1,,"two\nlines"\n\nb.fcs,facs,x,BL,S1,,\n')
    assert [row.line for row in manifest.rows] == [2, 5]


@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../x.fcs", "a/../../x", "C:/x", "a\\b", "", "-rf", "a b", "é.fcs", "delivery.csv", "a//b", ".x"],
)
def test_paths_that_lead_out_or_cannot_be_quoted_are_refused(file: str) -> None:
    assert problem_of_path(file) is not None


@pytest.mark.parametrize(
    ("claim", "code", "column"),
    [
        (Claim("a.fcs", "facs", timepoint="BL"), "E_SCHEMA", "patient_id"),
        (Claim("a.fcs", "facs", "PALBO-1"), "E_SCHEMA", "timepoint"),
        (Claim("a.txt", "elisa", "PALBO-1"), "E_SCHEMA", "patient_id"),
        (Claim("a.csv", "clinical", timepoint="BL"), "E_SCHEMA", "timepoint"),
        (Claim("a.bam", "wes", "PALBO-1", "BL", role="tumor_bam"), "E_UNKNOWN_ROLE", "role"),
        (Claim("a.xyz", "facs", "PALBO-1", "BL"), "E_UNKNOWN_ROLE", "role"),
    ],
)
def test_a_claim_must_suit_the_kind_of_file(claim: Claim, code: str, column: str) -> None:
    _, problem = recognise(claim, REGISTRY)
    assert problem is not None
    assert (problem.code, problem.column) == (code, column)


def test_a_role_is_recognised_by_the_longest_suffix_and_a_typo_gets_a_hint() -> None:
    found, problem = recognise(Claim("x.VCF.gz", "wes", "PALBO-1", "BL"), REGISTRY)
    assert found is not None
    assert (found.role, problem) == ("somatic_vcf", None)
    _, problem = recognise(Claim("x.bam", "wes", "PALBO-1", "BL", role="tumor_bam"), REGISTRY)
    assert problem is not None
    assert "did you mean 'tumour_bam'" in problem.fix


def test_a_germline_file_needs_no_timepoint() -> None:
    assert recognise(Claim("n.bam", "wes", "PALBO-1", role="normal_bam"), REGISTRY)[1] is None


def test_spans_are_bounded() -> None:
    assert spans([4, 2, 3, 9]) == "rows 2-4, 9"
    assert spans(range(0, 100, 2)).endswith("and more (50 rows in all)")


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_exception(content: str) -> None:
    manifest = parse_manifest(content)
    assert (manifest.problem is not None) == (not manifest.rows)


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=60)))
def test_whatever_a_row_says_a_valid_claim_holds_only_safe_text(named: dict[str, str]) -> None:
    claim, _ = canonical({name: cell.strip() for name, cell in named.items()})
    stored = "".join(value for name, value in vars(claim).items() if name not in ("note", "collected_on"))
    assert not set(stored) & set("<>|\\'\"&;\n\r\t\0=@%*?") and stored.isascii()
    assert ".." not in claim.file.split("/") and not claim.file.startswith(("/", "-"))


@given(st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=12), max_size=8), max_size=6))
def test_any_rows_under_the_right_header_get_a_verdict_with_their_line(rows: list[list[str]]) -> None:
    import csv
    import io

    stream = io.StringIO()
    csv.writer(stream).writerows([HEADER.split(","), *rows])
    manifest = parse_manifest(stream.getvalue())
    assert all(row.problem is None or row.problem.row == row.line for row in manifest.rows)
