"""Transcripts are summed to genes as tximport does; names survive versions, Y copies and old symbols."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.errors import InputError, NotEvaluableError
from palbo_assets.rnaseq.gene_summary import summarise, tpm_by_symbol, tpm_of
from palbo_assets.rnaseq.identifiers import CURRENT_SYMBOL, count_excel_damage, without_par_y, without_version
from palbo_assets.rnaseq.quantifiers import GENE, TRANSCRIPT, Quantification, read_quantification
from palbo_assets.rnaseq.samples import read_sample
from palbo_assets.rnaseq.transcript_map import TranscriptMap, read_tx2gene


def transcripts(ids: list[str], counts: list[float], tpm: list[float], lengths: list[float]) -> Quantification:
    return Quantification(
        "salmon", TRANSCRIPT, pd.Series(ids, dtype=object), np.array(counts), np.array(tpm), np.array(lengths)
    )


def tx2gene(folder: Path, content: str) -> TranscriptMap:
    path = folder / "tx2gene.csv"
    path.write_text(content, encoding="utf-8")
    return read_tx2gene(path)


def test_summing_equals_a_plain_loop_on_a_real_sample(shared_data: Path) -> None:
    folder = shared_data / "rna/tximport"
    gene_of = {row["TXNAME"]: row["GENEID"] for row in csv.DictReader((folder / "tx2gene.csv").open())}
    counts: dict[str, float] = defaultdict(float)
    tpm: dict[str, float] = defaultdict(float)
    weighted: dict[str, float] = defaultdict(float)
    plain: dict[str, list[float]] = defaultdict(list)
    with (folder / "salmon/ERR188021/quant.sf").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            gene = gene_of.get(row["Name"])
            if gene is None:
                continue
            counts[gene] += float(row["NumReads"])
            tpm[gene] += float(row["TPM"])
            weighted[gene] += float(row["TPM"]) * float(row["EffectiveLength"])
            plain[gene].append(float(row["EffectiveLength"]))
    lengths = {gene: weighted[gene] / tpm[gene] if tpm[gene] else sum(plain[gene]) / len(plain[gene]) for gene in tpm}

    found = summarise(
        read_quantification(folder / "salmon/ERR188021/quant.sf"), read_tx2gene(folder / "tx2gene.csv")
    ).genes.set_index("gene_id")
    assert len(found) == len(counts) == 25_343
    for column, expected in (("count", counts), ("tpm", tpm), ("effective_length", lengths)):
        np.testing.assert_allclose(found[column], pd.Series(expected).reindex(found.index), rtol=1e-9)


def test_salmon_summed_to_genes_agrees_with_rsem_on_the_same_reads(shared_data: Path) -> None:
    folder = shared_data / "rna/tximport"
    summed = summarise(
        read_quantification(folder / "salmon/ERR188021/quant.sf"), read_tx2gene(folder / "tx2gene.csv")
    ).genes.set_index("gene_id")
    rsem = summarise(read_quantification(folder / "rsem/ERR188021/ERR188021.genes.results")).genes.set_index("gene_id")
    both = summed.join(rsem, rsuffix="_rsem", how="inner")
    assert len(both) == 25_343
    assert np.corrcoef(np.log2(both["tpm"] + 1), np.log2(both["tpm_rsem"] + 1))[0, 1] > 0.98  # measured 0.9835
    assert both["tpm"].corr(both["tpm_rsem"], method="spearman") > 0.95  # measured 0.9549, silent genes included
    expressed = both[both["count_rsem"] > 100]
    ratio = (expressed["effective_length"] / expressed["effective_length_rsem"]).median()
    assert 0.85 < ratio < 1.0  # measured 0.929: salmon corrects lengths for fragment bias, RSEM doesn't


def test_real_map_matches_every_transcript(shared_data: Path) -> None:
    folder = shared_data / "rna/tximport"
    summary = summarise(read_quantification(folder / "salmon/ERR188088/quant.sf"), read_tx2gene(folder / "tx2gene.csv"))
    assert summary.unmapped_share < 1e-6
    assert summary.genes["tpm"].sum() == pytest.approx(1e6, rel=1e-4)


def test_tpm_follow_from_counts_and_lengths_as_rsem_prints_them(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "rna/tximport/rsem/ERR188021/ERR188021.genes.results", sep="\t")
    # RSEM's own gene TPM come from its transcripts; genes with one transcript share the formula.
    single = ~table["transcript_id(s)"].str.contains(",") & (table["TPM"] > 5)
    own = tpm_of(table["expected_count"].to_numpy(), table["effective_length"].to_numpy())
    off = np.abs(own[single] / table.loc[single, "TPM"] - 1) > 0.01
    assert off.mean() < 0.005  # measured 0.0022: very short genes, whose printed lengths are rounded


def test_length_is_weighted_with_expression_and_plain_without(tmp_path: Path) -> None:
    genes = tx2gene(tmp_path, "TXNAME,GENEID\nT1,A\nT2,A\nT3,B\nT4,B\n")
    found = summarise(
        transcripts(["T1", "T2", "T3", "T4"], [3, 1, 0, 0], [750_000, 250_000, 0, 0], [1000, 2000, 300, 500]), genes
    ).genes
    assert found["effective_length"].tolist() == [1250.0, 400.0]


def test_versions_and_compound_names_are_cut_and_other_dots_stay() -> None:
    names = pd.Series(["ENST00000456328.2", "ENST00000456328.2|ENSG00000223972.5|X", "NM_000546.6", "AC004551.1"])
    assert without_version(names).tolist() == ["ENST00000456328", "ENST00000456328", "NM_000546", "AC004551.1"]
    assert without_version(pd.Series(["ENSG00000182378.15_PAR_Y"])).tolist() == ["ENSG00000182378_PAR_Y"]


def test_the_copies_on_x_and_y_are_one_gene(tmp_path: Path) -> None:
    genes = tx2gene(
        tmp_path,
        "transcript_id,gene_id,gene_name\nENST00000381192.3,ENSG00000182378.13,PLCXD1\n"
        "ENST00000381192.3_PAR_Y,ENSG00000182378.13_PAR_Y,PLCXD1\n",
    )
    found = summarise(
        transcripts(["ENST00000381192.3", "ENST00000381192.3_PAR_Y"], [6, 4], [600_000, 400_000], [900, 900]), genes
    ).genes
    assert found[["gene_id", "gene_symbol", "count"]].values.tolist() == [["ENSG00000182378", "PLCXD1", 10.0]]
    assert without_par_y(pd.Series(["ENSGR0000182378"])).tolist() == ["ENSG00000182378"]


def test_another_version_of_the_annotation_still_matches(tmp_path: Path) -> None:
    genes = tx2gene(tmp_path, "transcript_id,gene_id,gene_name\nENST00000000001.1,ENSG00000000001.1,ESR1\n")
    found = summarise(transcripts(["ENST00000000001.9"], [5], [1e6], [900]), genes).genes
    assert found["gene_symbol"].tolist() == ["ESR1"]


def test_old_symbols_become_current_ones(tmp_path: Path) -> None:
    genes = tx2gene(tmp_path, "TXNAME,GENEID\nT1,CDCA1\nT2,KNTC2\nT3,ORC6L\n")
    found = summarise(transcripts(["T1", "T2", "T3"], [1, 1, 1], [4e5, 4e5, 2e5], [900] * 3), genes).genes
    assert set(found["gene_symbol"]) == {"NUF2", "NDC80", "ORC6"}


def test_every_rename_is_one_of_hgnc(shared_data: Path) -> None:
    with gzip.open(shared_data / "reference/domain/hgnc_alias_2022-04.csv.gz", "rt") as file:
        known = {(row["Symbol"], row["Approved.Symbol"]) for row in csv.DictReader(file)}
    assert set(CURRENT_SYMBOL.items()) <= known


def test_dates_and_floats_are_recognised_as_damaged_symbols() -> None:
    assert count_excel_damage(["1-Mar", "Sep-09", "2-Dec", "2.31E+13", "2023-03-01"]) == 5
    assert count_excel_damage(["MARCH1", "SEPT9", "H4-16", "NKX2-1", "HLA-A", "7SK", "ENSG00000000003.14"]) == 0


def test_without_a_map_transcripts_are_not_evaluable_and_named_genes_are(tmp_path: Path) -> None:
    with pytest.raises(NotEvaluableError, match="NO_TX2GENE"):
        summarise(transcripts(["T1"], [5], [1e6], [900]))
    named = transcripts(["T1", "T2"], [5, 5], [5e5, 5e5], [900, 900])
    isoforms = Quantification(
        "rsem", TRANSCRIPT, named.ids, named.counts, named.tpm, named.effective_length, pd.Series(["A", "A"])
    )
    assert summarise(isoforms).genes["count"].tolist() == [10]


def test_a_map_of_another_annotation_is_noticed_and_a_few_unknown_transcripts_are_counted(tmp_path: Path) -> None:
    genes = tx2gene(tmp_path, "TXNAME,GENEID\nT1,A\n")
    with pytest.raises(NotEvaluableError, match="TX2GENE_MISMATCH"):
        summarise(transcripts(["U1", "T1"], [60, 40], [6e5, 4e5], [900, 900]), genes)
    found = summarise(transcripts(["U1", "T1"], [10, 90], [1e5, 9e5], [900, 900]), genes)
    assert found.unmapped_share == pytest.approx(0.1)


def test_counts_without_lengths_have_no_tpm_and_say_why() -> None:
    star = Quantification("star", GENE, pd.Series(["A", "B"]), np.array([1.0, 2.0]))
    found = summarise(star)
    assert found.genes["tpm"].isna().all() and found.tpm_reason.startswith("NO_LENGTHS")
    assert tpm_by_symbol(found.genes).empty


def test_featurecounts_lengths_give_tpm() -> None:
    table = Quantification(
        "featurecounts", GENE, pd.Series(["A", "B"]), np.array([30.0, 10.0]), effective_length=np.array([1000.0, 500.0])
    )
    assert summarise(table).genes["tpm"].tolist() == pytest.approx([600_000, 400_000])


def test_a_map_with_two_genes_for_a_transcript_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        tx2gene(tmp_path, "TXNAME,GENEID\nT1,A\nT2,B\nT1,C\n")
    assert (caught.value.code, caught.value.row) == ("E_SCHEMA", 4)


def test_a_map_without_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="E_SCHEMA"):
        tx2gene(tmp_path, "T1,A\nT2,B\n")


def test_quotes_tabs_and_repeated_rows_in_a_map_are_fine(tmp_path: Path) -> None:
    found = tx2gene(tmp_path, '"TXNAME"\t"GENEID"\t"symbol"\n"T1"\t"A"\t"a1"\n"T1"\t"A"\t"a1"\n')
    assert found.gene_of.to_dict() == {"T1": "A"} and found.symbol_of.to_dict() == {"A": "a1"}


def test_symbols_of_several_genes_are_summed_and_nameless_genes_stay() -> None:
    genes = pd.DataFrame({"gene_id": ["1", "2", "3"], "gene_symbol": ["A", "A", None], "tpm": [1.0, 2.0, 4.0]})
    assert tpm_by_symbol(genes).to_dict() == {"A": 3.0, "3": 4.0}


def test_of_two_tables_the_one_with_tpm_speaks_and_star_tells_the_strand(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        "N_unmapped\t5\t5\t5\nN_multimapping\t4\t4\t4\nN_noFeature\t3\t9\t3\nN_ambiguous\t2\t0\t2\nG\t9\t0\t9\n"
    )
    (tmp_path / "b").write_text("Name\tLength\tEffectiveLength\tTPM\tNumReads\nT1\t900\t750\t1000000\t12\n")
    found = read_sample([(tmp_path / "a", ""), (tmp_path / "b", "")], [tx2gene(tmp_path, "TXNAME,GENEID\nT1,G\n")])
    assert (found.tool, found.strandedness, found.counters["N_unmapped"]) == ("salmon", "reverse", 5)
    assert found.summary is not None and found.summary.genes["count"].tolist() == [12]
