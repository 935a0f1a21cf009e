"""The matrix reader gives what the general reader gives, and leaves to it what isn't as salmon writes it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.salmon_matrix import _number, gene_matrix, parse
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


@given(st.floats(0, 1e9, allow_nan=False), st.sampled_from(["{:.6f}", "{:.3f}", "{:g}", "{:e}", "{:.0f}"]))
@settings(max_examples=300, deadline=None)
def test_digits_are_read_as_python_reads_them(value: float, form: str) -> None:
    text = form.format(value)
    number, at = _number(np.frombuffer(f"{text}\t".encode(), dtype=np.uint8), 0)
    if at >= 0:
        assert at == len(text)
        assert number == pytest.approx(float(text), rel=1e-15)
    else:
        assert len(text.replace(".", "")) > 15 or "e" in text


def test_the_kernel_equals_its_plain_twin() -> None:
    content, names, code = (HEADER + "".join(ROWS)).encode(), b"T1\nT2\nT3\n", np.array([1, 0, -1])
    sums, plain = np.zeros((2, 4)), np.zeros((2, 4))
    arguments = (np.frombuffer(content, dtype=np.uint8), np.frombuffer(names, dtype=np.uint8), code)
    compiled = parse(*arguments, sums)
    assert compiled == parse.py_func(*arguments, plain) == (14.5, 4.0, 1e6)
    np.testing.assert_array_equal(sums, plain)
