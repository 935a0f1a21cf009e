"""One profile of a tumour: whose purity counts, what ploidy is, and what a table row gives back."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.wes.copy_number_files import read_copy_number
from palbo_assets.wes.copy_plot import copies_picture
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import COPY_NUMBER_SEGMENTS
from palbo_assets.wes.tumour_profile import TumourProfile, profile_of_rows, read_tumour_profile, segment_rows

SEG = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nT\t1\t101\t900\t8\t-1.0\nT\t2\t1\t800\t8\t0.0\n"
ASCAT = "sample\tchr\tstartpos\tendpos\tnMajor\tnMinor\nT\t1\t1\t300\t2\t0\nT\t2\t1\t100\t3\t3\n"
STATED = "chr\tstartpos\tendpos\tnMajor\tnMinor\tpurity\tploidy\n1\t1\t300\t2\t0\t0.5\t3.1\n"
FIT = "purity\tploidy\n{}\t2.2\n"


def profile(folder: Path, segments: list[str], purity: float | None = None) -> TumourProfile | None:
    paths = [(folder / f"{index}.txt", "") for index in range(len(segments))]
    for (path, _), text in zip(paths, segments, strict=True):
        path.write_text(text)
    fit = folder / "fit.txt"
    fit.write_text(FIT.format(purity))
    return read_tumour_profile(paths, [fit] if purity else [], Settings())


def test_a_ratio_is_solved_with_the_purity_of_the_file_beside_it(tmp_path: Path) -> None:
    found = profile(tmp_path, [SEG], 0.5)
    assert found is not None
    assert (found.purity, found.purity_source, found.ploidy) == (0.5, "purity_file", 2.2)
    assert [one.total_cn for one in found.segments] == [0.0, 2.0]


def test_without_a_stated_purity_segments_keep_their_ratio_and_say_why_copies_are_missing(tmp_path: Path) -> None:
    found = profile(tmp_path, [SEG])
    assert found is not None
    assert (found.reason, found.purity, found.ploidy) == ("NO_PURITY", None, None)
    rows = segment_rows(found, {})
    assert [(row["log2"], row["total_cn"], row["reason"]) for row in rows] == [
        (-1.0, None, "NO_PURITY"),
        (0.0, None, "NO_PURITY"),
    ]


def test_ploidy_is_the_mean_of_copies_weighted_by_length_where_nobody_states_it(tmp_path: Path) -> None:
    with_purity = ASCAT.replace("nMinor\n", "nMinor\tpurity\n").replace("0\nT", "0\t0.7\nT").replace("3\n", "3\t0.7\n")
    found = profile(tmp_path, [with_purity])
    assert found is not None
    assert (found.ploidy, found.ploidy_source) == (pytest.approx((2 * 300 + 6 * 100) / 400), "mean_of_copies")


def test_a_contradicting_purity_stands_beside_the_one_that_the_segments_were_made_with(tmp_path: Path) -> None:
    for other, contradicts in ((0.6, False), (0.8, True)):
        found = profile(tmp_path, [STATED], other)
        assert found is not None
        assert (found.purity, found.purity_source, found.ploidy, found.other_purity) == (
            0.5,
            "segment_file",
            3.1,
            other,
        )
        assert found.contradicts(Settings()) is contradicts


def test_of_two_segment_files_the_one_whose_tool_fitted_purity_counts(tmp_path: Path) -> None:
    found = profile(tmp_path, [SEG, STATED], 0.5)
    assert found is not None and found.tool == "ascat"
    assert profile(tmp_path, []) is None


def test_a_profile_comes_back_whole_from_its_table(tmp_path: Path) -> None:
    for text, purity in ((SEG, 0.5), (STATED, None), (SEG, None)):
        found = profile(tmp_path, [text], purity)
        assert found is not None
        who = {"patient_id": "P", "timepoint": "BL", "specimen_id": "S"}
        frame = frame_from_rows(COPY_NUMBER_SEGMENTS, [{**who, **row} for row in segment_rows(found, {"chr1": 999})])
        assert frame["chrom"].iloc[0] == "chr1"
        assert profile_of_rows(frame) == found


def test_a_file_of_several_tumours_needs_the_name_of_one(tmp_path: Path) -> None:
    path = tmp_path / "two.seg"
    path.write_text(SEG + "U\t1\t1\t900\t8\t0.5\n")
    assert [one.log2 for one in read_copy_number(path, "U").segments] == [0.5]
    for name in ("", "V"):
        with pytest.raises(InputError) as caught:
            read_copy_number(path, name)
        assert caught.value.code == "E_SAMPLE_MISMATCH"


def test_the_picture_shows_copies_or_the_ratio_and_none_where_neither_is_known(tmp_path: Path) -> None:
    import base64

    for text, purity in ((SEG, 0.5), (SEG, None)):
        found = profile(tmp_path, [text], purity)
        assert found is not None
        picture = copies_picture(found, {"chr1": 5000, "chr2": 3000})
        assert picture is not None and base64.b64decode(picture).startswith(b"\x89PNG")
    nothing = profile(tmp_path, [SEG.replace("-1.0", "NA").replace("0.0", "NA")])
    assert nothing is not None and copies_picture(nothing, {}) is None
