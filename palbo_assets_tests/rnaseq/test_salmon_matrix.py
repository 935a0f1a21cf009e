"""The matrix reader gives what the general reader gives, and leaves to it what isn't as salmon writes it."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.salmon_matrix import gene_matrix, parse, spread
from palbo_assets.rnaseq.transcript_map import read_tx2gene

HEADER = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
ROWS = ("T1\t900\t720.5\t250000.000000\t10.5\n", "T2\t500\t320\t7.5e5\t0\n", "T3\t500\t320\t0\t4\n")


def files(folder: Path, *contents: str) -> tuple[list[Path], Path]:
    paths = []
    for i, content in enumerate(contents):
        paths.append(folder / f"{i}.sf")
        paths[-1].write_text(content)
    (folder / "tx2gene.csv").write_text("TXNAME,GENEID\nT1,B\nT2,A\nT3,B\n")
    return paths, folder / "tx2gene.csv"


def test_real_samples_equal_the_general_reader(shared_data: Path) -> None:
    folder = shared_data / "rna/tximport"
    paths = [folder / f"salmon/{name}/quant.sf" for name in ("ERR188021", "ERR188088")]
    transcripts = read_tx2gene(folder / "tx2gene.csv")
    found = gene_matrix(paths, transcripts)
    assert found.general == 0 and found.counts.shape == (25_343, 2)
    for column, path in enumerate(paths):
        genes = summarise(read_quantification(path), transcripts).genes
        assert found.gene_ids.tolist() == genes["gene_id"].tolist()
        for name, values in (("count", found.counts), ("tpm", found.tpm), ("effective_length", found.effective_length)):
            np.testing.assert_allclose(values[:, column], genes[name], rtol=1e-12, atol=1e-9)


def test_files_that_differ_from_the_first_one_go_to_the_general_reader(tmp_path: Path) -> None:
    whole = HEADER + "".join(ROWS)
    paths, tx2gene = files(
        tmp_path, whole, HEADER + "".join(ROWS[::-1]), whole.replace("10.5", "10.500000000000000000")
    )
    packed = tmp_path / "3.sf.gz"
    packed.write_bytes(gzip.compress(whole.encode()))
    found = gene_matrix([*paths, packed], read_tx2gene(tx2gene))
    assert found.general == 3 and found.gene_ids.tolist() == ["A", "B"]
    assert found.counts.tolist() == [[0.0] * 4, [14.5] * 4]
    assert found.tpm.tolist() == [[750_000.0] * 4, [250_000.0] * 4]
    np.testing.assert_allclose(found.effective_length, [[320.0] * 4, [720.5] * 4])


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda text: text[:-5], "E_TRUNCATED"),
        (lambda text: text.replace("10.5", "-10.5"), "E_SCHEMA"),
        (lambda text: text.replace("10.5", "NA"), "E_SCHEMA"),
        (lambda text: text.replace(ROWS[0], ""), "E_TRUNCATED"),
        (lambda text: text.replace("T3", "T1"), "E_SCHEMA"),
        (lambda text: text + "T4\t5\t5\t0\t0\textra\n", "E_SCHEMA"),
    ],
)
def test_a_damaged_file_is_refused_with_the_general_readers_reason(tmp_path: Path, damage: object, code: str) -> None:
    whole = HEADER + "".join(ROWS)
    paths, tx2gene = files(tmp_path, whole, damage(whole))  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        gene_matrix(paths, read_tx2gene(tx2gene))
    assert caught.value.code == code and caught.value.file == "1.sf"


def plain_parse(content: bytes, names: list[str], code: list[int], sums: np.ndarray) -> tuple[float, float, float]:
    """What the kernel computes, row by row."""
    lines = content.decode().split("\n")
    if lines[0] + "\n" != HEADER or lines[-1] or len(lines) != len(names) + 2:
        return -1.0, 0.0, 0.0
    reads = unmapped = total = 0.0
    for line, name, gene in zip(lines[1:-1], names, code):
        fields = line.split("\t")
        if len(fields) != 5 or fields[0] != name or not all(NUMBER.fullmatch(field) for field in fields[1:]):
            return -1.0, 0.0, 0.0
        _, effective, tpm, count = map(float, fields[1:])
        reads, total = reads + count, total + tpm
        if gene < 0:
            unmapped += count
        else:
            sums[gene] += count, tpm, tpm * effective, effective
    return reads, unmapped, total


NUMBER = re.compile(r"(?=[\d.]*\d)\d*\.?\d*([eE][+-]?\d+)?")
FORMS = st.sampled_from(["{:.6f}", "{:.3f}", "{:.0f}", "{:e}", "{:.9f}"])
NAMES = st.text("ET0123456789.|-", min_size=1, max_size=40)


@given(
    st.lists(st.tuples(NAMES, st.lists(st.tuples(st.floats(0, 1e5), FORMS), min_size=4, max_size=4)), max_size=12),
    st.sampled_from(["nothing", "byte", "row", "end"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_kernel_equals_its_plain_twin(rows: list, damage: str, chance: Random) -> None:
    names = [name for name, _ in rows]
    lines = ["\t".join([name, *(form.format(value) for value, form in numbers)]) for name, numbers in rows]
    if damage == "row" and lines:
        lines.append(lines[-1])
    content = bytearray((HEADER + "".join(line + "\n" for line in lines)).encode())
    if damage == "byte":
        content[chance.randrange(len(content))] = ord(chance.choice("\t\n.59eEx-"))
    if damage == "end":
        del content[chance.randrange(len(content)) :]
    code = [chance.randrange(-1, 3) for _ in names]
    sums, plain = np.zeros((3, 4)), np.zeros((3, 4))
    texts = "".join(f"{name}\t" for name in names).encode()
    found = parse(
        np.frombuffer(content, np.uint8), np.frombuffer(texts, np.uint8), np.array(code, dtype=np.int64), sums
    )
    expected = plain_parse(bytes(content), names, code, plain)
    if found[0] < 0:
        # The kernel also leaves rare forms of numbers to the general reader, never the other way round.
        assert expected[0] < 0 or re.search(rb"\d[\d.]{15}|e[+-]\d\d|[Ee]\d", content)
    else:
        assert found == expected
        np.testing.assert_array_equal(sums, plain)


def test_sums_go_to_their_columns_and_are_emptied() -> None:
    sums = np.array([[5.0, 2.0, 600.0, 700.0], [0.0, 0.0, 0.0, 900.0]])
    columns = np.full((2, 3), -1.0)
    spread(sums, np.array([3, 2]), columns[:, 0], columns[:, 1], columns[:, 2])
    assert columns.tolist() == [[5.0, 2.0, 300.0], [0.0, 0.0, 450.0]] and not sums.any()
