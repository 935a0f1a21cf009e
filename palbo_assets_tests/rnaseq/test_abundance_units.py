"""FPKM, RPKM and CPM never pass for TPM or for reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.rnaseq.abundance_units import refuse_other_units
from palbo_assets.rnaseq.formats import verify_gene_counts, verify_gene_tpm
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.samples import read_sample
from palbo_assets.rnaseq.settings import Settings

COUNTS, LENGTHS = np.array([10.0, 300.0, 0.0, 45.0]), np.array([200.0, 1500.0, 900.0, 4000.0])
RATES = COUNTS / LENGTHS
UNITS = {
    "TPM": RATES / RATES.sum() * 1e6,
    "FPKM": RATES / COUNTS.sum() * 1e9,
    "CPM": COUNTS / COUNTS.sum() * 1e6,
}


def salmon(folder: Path, values: np.ndarray) -> Path:
    rows = [f"ENST{i}\t900\t{LENGTHS[i]}\t{values[i]:.6f}\t{COUNTS[i]}" for i in range(len(values))]
    path = folder / "quant.sf"
    path.write_text("\n".join(["Name\tLength\tEffectiveLength\tTPM\tNumReads", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("unit", ["FPKM", "CPM"])
def test_another_unit_in_the_column_of_tpm_is_told_by_reads_and_lengths(tmp_path: Path, unit: str) -> None:
    with pytest.raises(InputError) as caught:
        read_quantification(salmon(tmp_path, UNITS[unit]))
    assert (caught.value.code, caught.value.column) == ("E_SCHEMA", "TPM")
    assert f"holds {unit}" in str(caught.value)


def test_tpm_pass_and_so_does_one_length_where_cpm_are_tpm(tmp_path: Path) -> None:
    assert read_quantification(salmon(tmp_path, UNITS["TPM"])).tpm == pytest.approx(UNITS["TPM"])
    refuse_other_units(UNITS["CPM"], COUNTS, np.full(4, 900.0), Settings(), path=tmp_path, column="TPM")


@pytest.mark.parametrize("unit", ["FPKM", "RPKM", "CPM", "cpm"])
def test_a_column_named_after_another_unit_is_refused_by_name(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "gene_counts.tsv"
    path.write_text(f"gene_id\t{unit}\nG1\t3\nG2\t4\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"gives {unit.upper()} and neither") as caught:
        read_quantification(path)
    assert caught.value.code == "E_SCHEMA"


def test_a_matrix_of_fpkm_is_no_matrix_of_tpm_and_is_not_sent_to_the_reads(tmp_path: Path) -> None:
    from palbo_assets.rnaseq import formats

    path = tmp_path / "gene_tpm.tsv"
    path.write_text("gene_id\tS1\n" + "".join(f"G{i}\t{v:.4f}\n" for i, v in enumerate(UNITS["FPKM"])), "utf-8")
    claim = type("Row", (), {"sample_name": "S1"})()
    with pytest.raises(InputError, match="holds no TPM") as caught:
        formats.verify_gene_tpm(path, claim, None)  # type: ignore[arg-type]
    assert caught.value.code == "E_SCHEMA"


def matrix(folder: Path, name: str, ids: pd.Series, values: np.ndarray) -> Path:
    path = folder / name
    pd.DataFrame({"gene_id": ids, "S1": values}).to_csv(path, sep="\t", index=False, float_format="%.3f")
    return path


@pytest.fixture(scope="module")
def rsem(shared_data: Path) -> pd.DataFrame:
    table = pd.read_csv(shared_data / "rna/tximport/rsem/ERR188021/ERR188021.genes.results", sep="\t")
    return table.assign(CPM=table["expected_count"] / table["expected_count"].sum() * 1e6)


@pytest.mark.parametrize(("reads", "tpm"), [("expected_count", "CPM"), ("FPKM", "TPM")])
def test_real_matrices_of_reads_and_tpm_in_one_unit_are_refused_at_the_door_and_in_the_product(
    rsem: pd.DataFrame, tmp_path: Path, reads: str, tpm: str
) -> None:
    counted = matrix(tmp_path, "gene_counts.tsv", rsem["gene_id"], rsem[reads].to_numpy())
    abundance = matrix(tmp_path, "gene_tpm.tsv", rsem["gene_id"], rsem[tpm].to_numpy())
    claim = Claim("gene_tpm.tsv", "rnaseq", sample_name="S1")
    if reads == "expected_count":  # told by the reads beside them
        verify_gene_counts(counted, claim, Context())
        with pytest.raises(InputError, match="TPM are CPM or reads are FPKM") as caught:
            verify_gene_tpm(abundance, claim, Context(siblings={"gene_counts": counted}))
    else:  # told alone
        with pytest.raises(InputError, match="holds no reads") as caught:
            verify_gene_counts(counted, claim, Context())
    assert caught.value.code == "E_SCHEMA" and caught.value.fix
    lenient = Settings(whole_reads_min=0.0)
    with pytest.raises(InputError, match="TPM are CPM or reads are FPKM"):
        read_sample([(counted, "S1"), (abundance, "S1")], [], lenient)


@pytest.mark.parametrize("unit", ["FPKM", "CPM"])
def test_fpkm_and_cpm_are_no_reads_even_alone(rsem: pd.DataFrame, tmp_path: Path, unit: str) -> None:
    path = matrix(tmp_path, "gene_counts.tsv", rsem["gene_id"], rsem[unit].to_numpy())
    with pytest.raises(InputError) as caught:
        verify_gene_counts(path, Claim(path.name, "rnaseq", sample_name="S1"), Context())
    assert caught.value.code == "E_SCHEMA"


def test_real_reads_and_tpm_of_rsem_pass_together(rsem: pd.DataFrame, tmp_path: Path) -> None:
    counted = matrix(tmp_path, "gene_counts.tsv", rsem["gene_id"], rsem["expected_count"].to_numpy())
    abundance = matrix(tmp_path, "gene_tpm.tsv", rsem["gene_id"], rsem["TPM"].to_numpy())
    claim = Claim("gene_tpm.tsv", "rnaseq", sample_name="S1")
    verify_gene_tpm(abundance, claim, Context(siblings={"gene_counts": counted}))
    sample = read_sample([(counted, "S1"), (abundance, "S1")], [])
    assert sample.summary is not None and sample.summary.genes["tpm"].sum() == pytest.approx(1e6, rel=1e-4)
