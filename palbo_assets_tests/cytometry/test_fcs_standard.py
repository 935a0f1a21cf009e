"""What the FCS standard allows, written value by value and read back; and damage, which must not take memory."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.cytometry.fcs import Events, read_fcs
from palbo_assets.platform.errors import InputError
from palbo_assets_tests.cytometry.fcs_writer import fcs

SLOPPY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, content: bytes) -> Events:
    path = folder / "tube.fcs"
    path.unlink(missing_ok=True)  # an earlier one may still be mapped
    path.write_bytes(content)
    return read_fcs(path)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as error:
        read(folder, content)
    assert error.value.fix and "\n" not in str(error.value)
    return error.value.code


@SLOPPY
@given(data=st.data())
def test_integers_of_any_width_are_read_in_either_byte_order(tmp_path: Path, data: st.DataObject) -> None:
    widths = data.draw(st.lists(st.integers(1, 53), min_size=1, max_size=5))
    if data.draw(st.booleans()):
        widths = [-(-width // 8) * 8 for width in widths]
        widths = [min(width, 48) for width in widths]
    size = data.draw(st.integers(1, 9))
    events = [[data.draw(st.integers(0, 2**width - 1)) for width in widths] for _ in range(size)]
    order = data.draw(st.sampled_from([(1, 2, 3, 4), (4, 3, 2, 1), (1, 2), (2, 1)]))
    content = fcs(events, kind="I", bits=widths, byte_order=order)
    assert np.array_equal(read(tmp_path, content).values, np.array(events, dtype=float))


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3, 4))))
def test_every_order_of_four_bytes_is_read(tmp_path: Path, order: tuple[int, ...]) -> None:
    integers = [[1, 2**31 + 5], [0x01020304, 77]]
    content = fcs(integers, kind="I", bits=[32, 32], byte_order=order)
    assert read(tmp_path, content).values.tolist() == integers
    floats = [[-1.5, 262143.0], [3.25, 1e-3]]
    assert np.array_equal(
        read(tmp_path, fcs(floats, byte_order=order)).values, np.array(floats, dtype=np.float32).astype(float)
    )


def test_doubles_are_read_exactly(tmp_path: Path) -> None:
    events = [[0.1, -1e300], [262144.0 / 3, 5e-324]]
    for order in ((1, 2, 3, 4), (4, 3, 2, 1), (8, 7, 6, 5, 4, 3, 2, 1), (5, 6, 7, 8, 1, 2, 3, 4)):
        assert read(tmp_path, fcs(events, kind="D", byte_order=order)).values.tolist() == events


def test_amplifiers_gains_masks_and_the_time_step_make_values_linear(tmp_path: Path) -> None:
    more = {"$P1E": "4,0", "$P1R": "1024", "$P2E": "4,0.1", "$P2R": "1024", "$P3G": "8", "$P3R": "1000"}
    more |= {"$P4N": "Time", "$P4G": "0.01", "$TIMESTEP": "0.5"}
    content = fcs([[512, 512, 1024 + 80, 7]], kind="I", bits=[16] * 4, more=more)
    assert read(tmp_path, content).values.tolist() == [[100.0, 10.0, 10.0, 3.5]]  # 1104 is 80 in the 10 bits of 1000


@pytest.mark.parametrize("delimiter", ["/", "\\", "|", "*", "\f", "\x1e", "!", "\n"])
def test_a_delimiter_within_a_value_is_doubled(tmp_path: Path, delimiter: str) -> None:
    label = f"CD3{delimiter}CD19{delimiter}{delimiter}dump{delimiter}"
    events = read(tmp_path, fcs([[1.0, 2.0]], delimiter=delimiter, more={"$P1S": label, "$P2S": "CD8"}))
    assert events.labels == (label.strip(), "CD8")


def test_empty_values_which_the_standard_forbids_are_read_where_nothing_else_makes_sense(tmp_path: Path) -> None:
    events = read(tmp_path, fcs([[1.0, 2.0]], more={"$P1S": "", "COMMENT": "", "$P2S": "CD8"}))
    assert events.labels == ("", "CD8")


def test_a_supplemental_text_completes_the_primary_one(tmp_path: Path) -> None:
    events = read(tmp_path, fcs([[1.0, 2.0]], supplement={"$P1S": "CD3", "$SPILLOVER": "2,C1,C2,1,0.1,0,1"}))
    assert events.labels == ("CD3", "") and events.spill is not None


def test_offsets_of_large_files_stand_in_text_alone(tmp_path: Path) -> None:
    assert read(tmp_path, fcs([[1.0, 2.0]], large=True)).values.tolist() == [[1.0, 2.0]]


def test_keywords_are_read_in_any_case_and_utf8(tmp_path: Path) -> None:
    content = fcs([[1.0, 2.0]], more={"$P1S": "CD3 β", "$p2s": "CD8"})
    assert read(tmp_path, content).labels == ("CD3 β", "CD8")
    korean = fcs([[1.0, 2.0]], more={"$P1S": "??"}).replace(b"??", "세".encode("cp949"))
    assert len(read(tmp_path, korean).labels[0]) == 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"$TOT": "4000000000"}, "E_SCHEMA"),
        ({"$TOT": "-1"}, "E_SCHEMA"),
        ({"$TOT": "0"}, "E_EMPTY"),
        ({"$TOT": "1e3"}, "E_SCHEMA"),
        ({"$TOT": "9" * 400}, "E_SCHEMA"),
        ({"$PAR": "99999999"}, "E_SCHEMA"),
        ({"$PAR": "3"}, "E_SCHEMA"),
        ({"$P1B": "31"}, "E_SCHEMA"),
        ({"$P1E": "4,1"}, "E_SCHEMA"),  # a float is linear
        ({"$P1E": "9" * 500 + ",0"}, "E_SCHEMA"),
        ({"$P1G": "nan"}, "E_SCHEMA"),
        ({"$P1G": "-2"}, "E_SCHEMA"),
        ({"$BYTEORD": "1,2,2,4"}, "E_SCHEMA"),
        ({"$BYTEORD": "4321"}, "E_SCHEMA"),
        ({"$DATATYPE": "A"}, "E_SCHEMA"),
        ({"$MODE": "C"}, "E_SCHEMA"),
        ({"$NEXTDATA": "1000"}, "E_SCHEMA"),
        ({"$P2N": "c1"}, "E_SCHEMA"),
        ({"$ENDDATA": "99999999999"}, "E_TRUNCATED"),
        ({"$BEGINDATA": "0"}, "E_TRUNCATED"),
        ({"$BEGINSTEXT": "100", "$ENDSTEXT": "88888888"}, "E_TRUNCATED"),
        ({"$SPILLOVER": "2,C1,C2,1,1,1,1"}, "E_SPILL"),
        ({"$SPILLOVER": "100000,C1"}, "E_SPILL"),
        ({"$tot": "5"}, "E_SCHEMA"),  # stated twice, with two values
    ],
)
def test_keywords_that_contradict_one_another_or_the_bytes_are_refused_with_a_reason(
    tmp_path: Path, more: dict[str, str], code: str
) -> None:
    assert refusal(tmp_path, fcs([[1.0, 2.0]] * 50, more=more)) == code


def test_several_sizes_of_the_data_are_told_apart_from_an_end_that_is_one_byte_off(tmp_path: Path) -> None:
    whole = fcs([[1.0, 2.0]] * 4)
    start, end = int(whole[26:34]), int(whole[34:42])

    def ending(at: int) -> bytes:
        return whole.replace(f"{end:>12}".encode(), f"{at:>12}".encode()).replace(
            f"{start:8d}{end:8d}".encode(), f"{start:8d}{at:8d}".encode()
        )

    assert read(tmp_path, ending(end + 1)).count == 4  # the byte after the last: a common slip
    assert {refusal(tmp_path, ending(end + by)) for by in (-8, -1, 2, 8)} == {"E_SCHEMA"}


@SLOPPY
@given(
    at=st.integers(0, 700),
    junk=st.one_of(st.binary(min_size=1, max_size=30), st.text("0123456789/$, -", min_size=1, max_size=12)),
    cut=st.integers(0, 900),
)
def test_damage_gives_events_or_an_input_error_and_takes_no_memory_for_what_isnt_there(
    tmp_path: Path, at: int, junk: Any, cut: int
) -> None:
    content = fcs([[1.0, 2.0]] * 20, more={"$P1S": "CD3", "$SPILLOVER": "2,C1,C2,1,0.1,0,1"})
    junk = junk.encode() if isinstance(junk, str) else junk
    content = content[:at] + junk + content[at + len(junk) : max(len(content) - cut % 60, 0)]
    tracemalloc.start()
    try:
        events = read(tmp_path, content)
        assert np.isfinite(events.values).all()
    except InputError as error:
        assert error.code.startswith("E_")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_text_of_nothing_but_delimiters_is_refused_before_it_becomes_keywords(tmp_path: Path) -> None:
    start, stop = 58, 58 + 6_000_000
    content = f"FCS3.1    {start:8d}{stop - 1:8d}{0:8d}{0:8d}{0:8d}{0:8d}".encode() + b"/a" * 3_000_000
    tracemalloc.start()
    try:
        assert refusal(tmp_path, content) == "E_SCHEMA"
        assert tracemalloc.get_traced_memory()[1] < 2.5 * len(content)
    finally:
        tracemalloc.stop()


def test_every_real_file_is_read_or_refused_within_three_times_its_size(shared_data: Path) -> None:
    read_fcs(shared_data / "fcs/flowkit/data_set_simple_line_100.fcs")  # imports
    told = {}
    for path in sorted((shared_data / "fcs").rglob("*.fcs")):
        tracemalloc.start()
        try:
            events = read_fcs(path)
            for channel in range(len(events.channels)):
                assert events.data.column(channel).shape == (events.count,)
            told[path.name] = "read"
        except InputError as error:
            assert error.fix
            told[path.name] = error.code
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        # The mapped file is at most its size; keywords and one block of events take up to a megabyte besides.
        assert peak + path.stat().st_size <= 3 * path.stat().st_size + 1_000_000, path.name
    assert len(told) == 16 and list(told.values()).count("read") == 12


def test_a_large_file_is_read_within_a_fraction_of_its_size(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(500, 100, (200_000, 14)).astype("<f4")
    content = fcs([[0.0] * 14] * 2)
    head = int(content[26:34])
    small = content[:head].replace(b"/$TOT/2/", b"/$TOT/2" + b"00000/")
    # Five bytes more of text move the data: state them where the offsets are.
    begin, end = head + 5, head + 5 + values.nbytes - 1
    for old, new in ((head, begin), (head + 2 * 14 * 4 - 1, end)):
        small = small.replace(f"{old:>12}".encode(), f"{new:>12}".encode())
        small = small.replace(f"{old:8d}".encode(), f"{new:8d}".encode(), 1)
    small = small.replace(f"{head - 1:8d}".encode(), f"{begin - 1:8d}".encode(), 1)
    tracemalloc.start()
    try:
        events = read(tmp_path, small + values.tobytes() + b"00000000")
        assert events.count == 200_000
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        total = sum(float(block.sum()) for _, block in events.data.blocks())
        assert tracemalloc.get_traced_memory()[1] - before < values.nbytes / 2
    finally:
        tracemalloc.stop()
    assert total == pytest.approx(values.sum(dtype=np.float64))
