"""The column parser and the reader of text give the same records, on every file of the collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.genomics.bgzf import line_chunks
from palbo_assets.genomics.vcf_columns import Wanted, read_columns
from palbo_assets.genomics.vcf_kernel import cell_end, skip
from palbo_assets.genomics.vcf_texts import Dictionary, codes, pieces, reals
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers import CallerVcf, read_vcf


def either(path: Path, **stated: object) -> list[CallerVcf | str]:
    found: list[CallerVcf | str] = []
    for fast in (False, True):
        try:
            found.append(read_vcf(path, fast=fast, **stated))  # type: ignore[arg-type]
        except InputError as error:
            found.append(str(error))
    return found


def test_every_vcf_of_the_collection_gives_the_same_both_ways(shared_data: Path) -> None:
    files = sorted(path for path in shared_data.rglob("*.vcf*") if path.name.endswith((".vcf", ".vcf.gz")))
    assert len(files) > 280
    records = refused = 0
    for path in files:
        slow, fast = either(path)
        assert slow == fast, path.name
        records += len(slow.records) if isinstance(slow, CallerVcf) else 0
        refused += isinstance(slow, str)
    assert records > 10_000 and refused > 30


GOOD = (
    "##fileformat=VCFv4.2\n##source=VarScan2\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNORMAL\tTUMOR\n"
    "1\t10\t.\tA\tT\t.\tPASS\tSS=2;DP=9\tGT:DP:RD:AD:FREQ:DP4\t0/0:60:60:0:0%:30,30,0,0\t0/1:90:60:30:33%:30,30,10,20\n"
    "1\t20\t.\tAC\tA\t.\tstr10\tSS=1\tGT:DP:RD:AD:FREQ:DP4\t0/0:60:60:0:0%:30,30,0,0\t0/1:80:60:20:25%:30,30,10,10\n"
    "1\t30\t.\tA\tT,G\t.\tPASS\tSS=2\tGT:DP:AD\t0/0:60:60,0,0\t0/1:80:40,30,10\n"
    "1\t40\t.\tC\tG\t.\t.\tSS=5\tGT:DP:RD:AD:FREQ:DP4\t0/0:.:.:.:.:.\t0/1:7\n"
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_read_or_refused_the_same_both_ways(tmp_path: Path, data: st.DataObject) -> None:
    text = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(130, len(text) - 1))
        byte = data.draw(st.sampled_from(b"\t\n:;,.0123456789ACGTNacgt=/%<*|-#\r\xc3"))
        how = data.draw(st.sampled_from(("replace", "insert", "delete")))
        text[at : at + (how != "insert")] = b"" if how == "delete" else bytes([byte])
    path = tmp_path / "damaged.vcf"
    path.write_bytes(bytes(text))
    slow, fast = either(path, tumour_sample="TUMOR", reference_contigs={"chr1": 100})
    assert slow == fast


def test_columns_hold_what_the_text_says() -> None:
    text = b"x\t7\t.\tA\tC\t1\tPASS\tF;TLOD=1.5;CSQ=C|a|b,D|c\tGT:AD:AF\t0/1:3,4:0.25\t0/0:9,.\n"
    text += b"x\t0\t.\tA\tC\t1\tPASS\t.\tGT\t.\t.\n"
    wanted = Wanted(samples=(1, 0), counts=("AD",), values=("AF",), info=("TLOD", "F", "CSQ", "TL"))
    found = read_columns(text, wanted, n_cells=11)
    assert found.plain.tolist() == [True, False] and found.pos[0] == 7 and found.alt_base[0] == 1
    assert found.counts[0, :, 0].tolist() == [[9, -1, -1, -1], [3, 4, -1, -1]] and found.n_counts[0, :, 0].tolist() == [
        2,
        2,
    ]
    assert reals(found.text, found.values[:1, 1, 0]).tolist() == [0.25] and found.values[0, 0, 0].tolist() == [-1, -1]
    assert reals(found.text, found.info[:1, 0]).tolist() == [1.5]
    assert found.info[0, 1, 0] == found.info[0, 1, 1] > 0 and found.info[0, 3].tolist() == [-1, -1]
    csq = found.info[:1, 2]
    assert codes(found.text, pieces(found.text, csq, ord("|"), 1))[1] == ["a"]
    assert codes(found.text, np.concatenate([found.spans(3)[:1], csq, found.spans(3)[:1]]))[0].tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="end"):
        read_columns(b"1\t2", wanted, n_cells=11)


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.text("0123456789.eE+-", max_size=12)))
def test_numbers_are_read_as_python_reads_them(text: str) -> None:
    raw = text.encode() + b"\n"
    found = reals(np.frombuffer(raw, np.uint8), np.array([[0, len(text)]]))[0]
    try:
        expected = float(text)
    except ValueError:
        expected = np.nan
    assert found == expected or (np.isnan(found) and np.isnan(expected))


@given(st.lists(st.text("ACGT|", max_size=20), min_size=1, max_size=80))
def test_codes_name_equal_texts_alike(texts: list[str]) -> None:
    ends = np.cumsum([len(text) for text in texts])
    spans = np.stack([ends - [len(text) for text in texts], ends], axis=1)
    found, names = codes(np.frombuffer("".join(texts).encode() or b"x", np.uint8), spans)
    assert [names[code] for code in found] == texts and len(set(names)) == len(names)


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.integers(1, 60))
def test_chunks_of_lines_are_the_file(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes(b"\n".join([b"first", *lines]))
    chunks = list(line_chunks(path, size))
    assert b"".join(chunks) == path.read_bytes()
    assert all(chunk.endswith(b"\n") for chunk in chunks[:-1])


@settings(deadline=None)
@given(st.lists(st.lists(st.text(alphabet="abé|", max_size=30), max_size=60), max_size=4))
def test_a_dictionary_goes_on_over_chunks_and_grows(chunks: list[list[str]]) -> None:
    dictionary, coded = Dictionary(), []
    for texts in chunks:
        raw = [one.encode() for one in texts]
        ends = np.cumsum([0, *(len(one) for one in raw)])
        spans = np.stack((ends[:-1], ends[1:]), axis=1).astype(np.int64).reshape(-1, 2)
        coded += dictionary.encode(np.frombuffer(b"".join(raw) or b"x", np.uint8), spans).tolist()
    said = [one for texts in chunks for one in texts]
    assert [dictionary.values()[code] for code in coded] == said
    assert dictionary.values() == list(dict.fromkeys(said))


def test_a_dictionary_holds_more_texts_than_it_began_with() -> None:
    raw = [f"text{number}".encode() * 3 for number in range(5000)]
    ends = np.cumsum([0, *(len(one) for one in raw)])
    spans = np.stack((ends[:-1], ends[1:]), axis=1).astype(np.int64)
    found, names = codes(np.frombuffer(b"".join(raw), np.uint8), np.concatenate((spans, spans[::-1])))
    assert found.tolist() == [*range(5000), *reversed(range(5000))]
    assert names == [one.decode() for one in raw]


EDGES = b"\t\n:;,Ax\x00\x08\x0b\x0c\x7f\x80\xba\xbb\xff"


@given(st.lists(st.sampled_from(EDGES), max_size=60).map(bytes), st.integers(0, 60))
def test_ends_of_cells_and_fields_are_found_as_byte_by_byte(line: bytes, at: int) -> None:
    text, at = line + b"\n", min(at, len(line))
    data = np.frombuffer(text, np.uint8)
    end = min(found for found in (text.find(byte, at) for byte in b"\t\n") if found >= 0)
    assert cell_end(data, at) == (end, text.count(b":", at, end))
    assert skip(data, at) == min(found for found in (text.find(byte, at) for byte in b";\t\n") if found >= 0)
