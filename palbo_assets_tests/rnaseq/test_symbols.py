"""Names of genes are brought up to date only where one gene can be meant."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.symbols import BUILT_IN, read_hgnc, rename, repaired

COMPLETE_SET = (
    "hgnc_id\tsymbol\tprev_symbol\talias_symbol\n"
    "1\tKMT2D\tMLL2\tALR|MLL4\n2\tKMT2B\t\tMLL2|MLL4\n3\tNUF2\tCDCA1\t\n4\tCD274\t\tPD-L1|PDL1\n5\tPDL1\t\t\n"
)


def test_a_former_symbol_is_renamed_and_one_of_two_genes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hgnc.txt").write_text(COMPLETE_SET)
    names = read_hgnc(tmp_path / "hgnc.txt")
    assert (names.current("CDCA1"), names.current("PD-L1")) == ("NUF2", "CD274")
    assert names.current("MLL2") == "MLL2" and {"MLL2", "MLL4"} == names.ambiguous
    assert names.current("PDL1") == "PDL1"  # an approved symbol stays, whoever else was called so
    found = rename(pd.Series(["MLL2", "CDCA1", "ESR1", None]), names)
    assert found.symbols.tolist() == ["MLL2", "NUF2", "ESR1", None]
    assert (found.renamed, found.ambiguous, found.repaired) == (1, 1, 0)


def test_a_gene_never_takes_the_name_of_another_gene_of_the_table() -> None:
    symbols = pd.Series(["CDCA1", "NUF2", "HRASLS3", "PLA2G16"])
    assert rename(symbols, BUILT_IN).symbols.tolist() == symbols.tolist()


def test_dates_become_symbols_only_where_one_gene_can_be_meant() -> None:
    assert [repaired(name) for name in ("3-Mar", "9-Sep", "15-Sep", "1-Dec", "11-MAR")] == [
        "MARCHF3", "SEPTIN9", "SELENOF", "DELEC1", "MARCHF11",
    ]  # fmt: skip
    for name in ("1-Mar", "2-Mar", "13-Sep", "Mar-03", "2023-03-03", "2.31E+13", "4-Oct", "HLA-A"):
        assert repaired(name) == name
    found = rename(pd.Series(["1-Mar", "7-Sep", "SEPTIN9", "9-Sep"]))
    assert found.symbols.tolist() == ["1-Mar", "SEPTIN7", "SEPTIN9", "9-Sep"]
    assert found.repaired == 1


def test_the_public_alias_table_knows_old_symbols_and_refuses_shared_ones(shared_data: Path) -> None:
    names = read_hgnc(shared_data / "reference/domain/hgnc_alias_2022-04.csv.gz")
    old = {"CDCA1": "NUF2", "KNTC2": "NDC80", "ORC6L": "ORC6", "H2AFZ": "H2AZ1", "WHSC1": "NSD2", "HER2": "ERBB2"}
    assert {name: names.current(name) for name in old} == old
    assert "MLL2" in names.ambiguous and len(names.ambiguous) > 1000 and len(names.approved) > 25_000
    for symbol in ("ESR1", "CCNE1", "MARCHF1"):
        assert names.current(symbol) == symbol


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_hgnc(tmp_path / "x.csv")
