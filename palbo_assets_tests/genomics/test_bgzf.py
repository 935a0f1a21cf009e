"""BGZF and BAM records: what pysam reads, in bounded pieces, and damage that is told."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pysam
import pytest

from palbo_assets.genomics.bam import record_offsets
from palbo_assets.genomics.bgzf import EOF_BLOCK, bam_header, inflate, line_chunks, record_chunks
from palbo_assets.platform.errors import InputError

READS = 5000


@pytest.fixture(scope="module")
def bam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bgzf") / "reads.bam"
    rng = np.random.default_rng(1)
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "c1", "LN": 10_000}, {"SN": "c2", "LN": 99}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for number, start in enumerate(np.sort(rng.integers(0, 9000, READS))):
            read = pysam.AlignedSegment(out.header)
            read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, int(start)
            length = int(rng.integers(20, 200))
            read.query_sequence = "".join(rng.choice(list("ACGTN"), length))
            read.cigarstring, read.mapping_quality = f"{length}M", 60
            read.query_qualities = pysam.qualitystring_to_array(
                "".join(chr(33 + one) for one in rng.integers(2, 40, length))
            )
            out.write(read)
    return path


def names(chunk: np.ndarray) -> list[str]:
    found = []
    for at in record_offsets(chunk):
        length = int(chunk[at + 12])
        found.append(bytes(chunk[at + 36 : at + 35 + length]).decode())
    return found


def test_whole_files_are_inflated_whatever_their_compression(tmp_path: Path, bam: Path) -> None:
    assert inflate(bam, need_eof=True) == gzip.decompress(bam.read_bytes())
    plain = tmp_path / "plain.txt"
    plain.write_bytes(b"chrom\tpos\n")
    assert inflate(plain) == b"chrom\tpos\n"
    zipped = tmp_path / "plain.txt.gz"
    zipped.write_bytes(gzip.compress(b"chrom\t") + gzip.compress(b"pos\n"))
    assert inflate(zipped) == b"chrom\tpos\n"
    zipped.write_bytes(zipped.read_bytes()[:-6])
    with pytest.raises(InputError, match="E_TRUNCATED"):
        inflate(zipped)


def test_the_header_names_the_contigs_and_the_first_record(bam: Path) -> None:
    found = bam_header(bam)
    assert found.contigs == {"c1": 10_000, "c2": 99}
    assert found.text.startswith("@HD")
    with pysam.AlignmentFile(str(bam)) as opened:
        assert found.first_record == opened.tell()


@pytest.mark.parametrize("chunk_bytes", [1, 70_000, 16 << 20])
def test_records_come_whole_and_once_however_small_the_chunks(bam: Path, chunk_bytes: int) -> None:
    chunks = list(record_chunks(bam, chunk_bytes=chunk_bytes))
    assert [name for chunk in chunks for name in names(chunk)] == [f"r{number}" for number in range(READS)]
    assert (len(chunks) > 1) == (chunk_bytes < 1_000_000)


def test_a_range_of_virtual_offsets_gives_its_records(bam: Path) -> None:
    with pysam.AlignmentFile(str(bam)) as opened:
        places = []
        for number, _ in enumerate(opened):
            if number in (999, 2999):
                places.append(opened.tell())
    found = [name for chunk in record_chunks(bam, places[0], places[1], chunk_bytes=1 << 16) for name in names(chunk)]
    assert found == [f"r{number}" for number in range(1000, 3000)]


def test_cut_and_damaged_files_are_named(tmp_path: Path, bam: Path) -> None:
    content = bam.read_bytes()
    broken = tmp_path / "broken.bam"

    def read() -> int:
        return sum(len(chunk) for chunk in record_chunks(broken))

    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF
    for bad in (content[: len(content) // 2], content[: -len(EOF_BLOCK)], bytes(damaged)):
        broken.write_bytes(bad)
        with pytest.raises(InputError, match=r"E_TRUNCATED.*broken\.bam"):
            read()
    broken.write_bytes(b"")
    with pytest.raises(InputError, match="E_EMPTY"):
        read()
    broken.write_bytes(b"@HD\tVN:1.6\n" * 10)
    with pytest.raises(InputError, match="E_NOT_BGZF"):
        read()


def test_a_record_that_contradicts_itself_is_damage(tmp_path: Path, bam: Path) -> None:
    inflated = bytearray(inflate(bam))
    first = 8 + struct.unpack_from("<i", inflated, 4)[0] + 4
    for _ in range(2):
        first += 8 + struct.unpack_from("<i", inflated, first)[0]
    struct.pack_into("<i", inflated, first + 20, 1_000_000)
    broken = tmp_path / "broken.bam"
    with pysam.BGZFile(str(broken), "wb") as out:
        out.write(bytes(inflated))
    with pytest.raises(InputError, match="E_TRUNCATED"):
        list(record_chunks(broken))


def test_real_alignments_are_read_to_their_last_record(shared_data: Path) -> None:
    for path in (shared_data / "wes_somatic").glob("*/*.bam"):
        with pysam.AlignmentFile(str(path)) as opened:
            expected = sum(1 for _ in opened.fetch(until_eof=True))
        assert sum(len(record_offsets(chunk)) for chunk in record_chunks(path, need_eof=False)) == expected


@pytest.mark.parametrize("more", [-1, 1, 1 << 30])
def test_a_block_that_doesnt_hold_what_it_says_is_damage(tmp_path: Path, bam: Path, more: int) -> None:
    content = bytearray(bam.read_bytes())
    end = int.from_bytes(content[16:18], "little") + 1
    length = struct.unpack_from("<I", content, end - 4)[0]
    struct.pack_into("<I", content, end - 4, length + more)
    broken = tmp_path / "broken.bam"
    broken.write_bytes(content)
    for read in (inflate, bam_header, lambda path: list(line_chunks(path))):
        with pytest.raises(InputError, match="E_TRUNCATED"):
            read(broken)


def test_a_block_may_hold_other_fields_before_its_size(tmp_path: Path, bam: Path) -> None:
    content = bam.read_bytes()
    size = int.from_bytes(content[16:18], "little") + 1
    other = b"XY\x03\x00abc"
    extra = other + b"BC\x02\x00" + struct.pack("<H", size + len(other) - 1)
    path = tmp_path / "other.bam"
    path.write_bytes(content[:10] + struct.pack("<H", len(extra)) + extra + content[18:])
    assert sum(len(names(chunk)) for chunk in record_chunks(path)) == READS


@pytest.mark.parametrize("size", [1, 1000, 1 << 19])
def test_lines_come_whole_and_once_however_small_the_chunks(tmp_path: Path, size: int) -> None:
    text = b"".join(b"%d\t%s\n" % (number, b"x" * (number % 301)) for number in range(3000)) + b"no end"
    path = tmp_path / "lines.gz"
    for kind in ("bgzf", "gzip", "plain"):
        with pysam.BGZFile(str(path), "wb") if kind == "bgzf" else path.open("wb") as out:
            out.write(gzip.compress(text) if kind == "gzip" else text)
        chunks = [bytes(one) for one in line_chunks(path, size)]
        assert b"".join(chunks) == text
        assert all(one.endswith(b"\n") for one in chunks[:-1])
