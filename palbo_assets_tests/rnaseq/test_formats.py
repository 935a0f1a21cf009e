"""What the landing says of an RNA-seq file: the same parser as the products', and the role must fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palbo_assets.demo import rnaseq as twin
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, Scope
from palbo_assets.rnaseq.formats import FORMATS

BY_ROLE = {file_format.role: file_format for file_format in FORMATS}


def verify(role: str, path: Path, **claim: str) -> dict[str, str | int | float]:
    return dict(BY_ROLE[role].verify(path, Claim(path.name, "rnaseq", **claim), Context()))


def test_roles_and_scopes_are_those_of_the_delivery_contract() -> None:
    assert {role: item.scope for role, item in BY_ROLE.items()} == {
        "quant": Scope.SAMPLE,
        "gene_counts": Scope.SAMPLE,
        "gene_tpm": Scope.SAMPLE,
        "rna_metrics": Scope.SAMPLE,
        "rna_bam": Scope.SAMPLE,
        "tx2gene": Scope.COHORT,
    }


def test_every_name_that_the_tools_write_suits_one_role() -> None:
    names = {
        "quant.sf": "quant",
        "quant.sf.gz": "quant",
        "abundance.tsv": "quant",
        "s.genes.results": "quant",
        "s.isoforms.results.gz": "quant",
        "S1ReadsPerGene.out.tab": "gene_counts",
        "s.htseq.txt": "gene_counts",
        "s.featureCounts.txt": "gene_counts",
        "salmon_tx2gene.tsv": "tx2gene",
        "tx2gene.csv": "tx2gene",
    }
    for name, role in names.items():
        fitting = [item.role for item in FORMATS if name.lower().endswith(item.suffixes)]
        assert fitting == [role], name


@pytest.mark.parametrize(
    ("role", "name", "tool", "features"),
    [
        ("quant", "tximport/salmon/ERR188021/quant.sf", "salmon", 48_009),
        ("quant", "tximport/rsem/ERR188021/ERR188021.genes.results", "rsem", 25_343),
        ("gene_counts", "qc_multiqc/ERR458837_subsamp_1ReadsPerGene.out.tab", "star", 57_773),
        ("gene_counts", "qc_multiqc/counts.tsv", "htseq", 49_768),
    ],
)
def test_real_files_are_accepted(shared_data: Path, role: str, name: str, tool: str, features: int) -> None:
    finding = verify(role, shared_data / "rna" / name)
    assert (finding["tool"], finding["features"]) == (tool, features)
    assert finding["excel_damaged_symbols"] == 0


def test_a_real_map_is_accepted(shared_data: Path) -> None:
    finding = verify("tx2gene", shared_data / "rna/tximport/tx2gene.csv")
    assert (finding["transcripts"], finding["genes"]) == (48_006, 25_343)


def test_a_file_under_the_wrong_role_is_refused_with_the_right_one(shared_data: Path) -> None:
    with pytest.raises(InputError, match="name the role gene_counts"):
        verify("quant", shared_data / "rna/qc_multiqc/counts.tsv")


def test_other_tables_are_refused(shared_data: Path) -> None:
    for name in ("qc_multiqc/Log.final.out", "qc_multiqc/hs_metrics.txt", "pam50_unc/pam50_testdata.tsv"):
        with pytest.raises(InputError, match=r"E_SCHEMA|E_TRUNCATED"):
            verify("gene_counts", shared_data / "rna" / name)


def test_spreadsheet_damage_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(
        "1-Mar\t3\nESR1\t4\n__no_feature\t1\n__ambiguous\t0\n__too_low_aQual\t0\n__not_aligned\t7\n"
        "__alignment_not_unique\t0\n"
    )
    assert verify("gene_counts", path)["excel_damaged_symbols"] == 1


def test_counts_of_another_sample_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("Geneid\tChr\tStart\tEnd\tStrand\tLength\t/data/S2.bam\nG1\t1\t1\t4\t+\t1000\t30\n")
    assert verify("gene_counts", path, sample_name="S2")["tool"] == "featurecounts"
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
        verify("gene_counts", path, sample_name="S1")


def test_planted_faults_of_the_twin_are_caught_with_their_row(tmp_path: Path) -> None:
    truth = SampleTruth("P-1", "BL", 0, 0.6)
    path = tmp_path / twin.write(truth, tmp_path, np.random.default_rng(1))[0].file
    verify("quant", path)
    twin.plant_negative_count(path, row=7)
    with pytest.raises(InputError) as caught:
        verify("quant", path)
    assert (caught.value.code, caught.value.row, caught.value.column) == ("E_SCHEMA", 7, "NumReads")

    path = tmp_path / twin.write(truth, tmp_path, np.random.default_rng(1))[0].file
    rows = len(path.read_bytes().splitlines())
    twin.plant_cut(path)
    with pytest.raises(InputError) as caught:
        verify("quant", path)
    assert (caught.value.code, caught.value.row) == ("E_TRUNCATED", rows)
