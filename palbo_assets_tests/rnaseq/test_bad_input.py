"""What a sequencing core may get wrong with RNA, sent through the landing: each file ends in its reason, and the good
ones of the same delivery become expression, quality and scores.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.demo import rnaseq as twin
from palbo_assets.demo.truth import SampleTruth
from palbo_assets_tests.end_to_end.real_deliveries import Sent, Site, at_home

pytestmark = [pytest.mark.end_to_end]

Damage = Callable[[str], str | bytes]


def quant_of(folder: Path, patient_id: str, *, reads: float | None = None, **log2fc: float) -> Path:
    truth = SampleTruth(patient_id, "BL", 0, 0.6, subtype="LumA", expression_log2fc=log2fc)
    (file,) = twin.write(truth, folder / patient_id, np.random.default_rng(5), library_reads=reads)
    return folder / patient_id / file.file


def cells(text: str, change: Callable[[list[str]], list[str]], rows: slice = slice(1, None)) -> str:
    """The table with ``change`` applied to the cells of these lines (0 is the header)."""
    lines = [line.split("\t") for line in text.splitlines()]
    lines[rows] = [change(line) for line in lines[rows]]
    return "".join("\t".join(line) + "\n" for line in lines)


def with_tpm(number: Callable[[float], float]) -> Damage:
    return lambda text: cells(text, lambda row: [*row[:3], f"{number(float(row[3])):.6f}", row[4]])


def in_cpm(text: str) -> str:
    reads = [float(line.split("\t")[4]) for line in text.splitlines()[1:]]
    return cells(text, lambda row: [*row[:3], f"{float(row[4]) / sum(reads) * 1e6:.6f}", row[4]])


def one_cell(line: int, column: int, value: str) -> Damage:
    return lambda text: cells(text, lambda row: [*row[:column], value, *row[column + 1 :]], slice(line - 1, line))


# What is done to a good quant.sf -> code, line and column where one is to blame, and words that the core reads.
QUANT: dict[str, tuple[Damage, str, int | None, str, str]] = {
    "logarithms for TPM": (
        with_tpm(lambda tpm: float(np.log2(tpm + 1))),
        "E_TRUNCATED",
        None,
        "TPM",
        "values were changed",
    ),
    "CPM for TPM": (in_cpm, "E_SCHEMA", None, "TPM", "CPM"),
    "FPKM for TPM": (with_tpm(lambda tpm: 0.61 * tpm), "E_TRUNCATED", None, "TPM", "values were changed"),
    "a column named FPKM": (lambda text: text.replace("TPM", "FPKM", 1), "E_SCHEMA", 1, "", "FPKM"),
    "a negative number of reads": (one_cell(8, 4, "-3"), "E_SCHEMA", 8, "NumReads", ""),
    "no number": (one_cell(9, 3, "nan"), "E_SCHEMA", 9, "TPM", "finite"),
    "decimal commas": (lambda text: text.replace(".", ","), "E_SCHEMA", 2, "", ""),
    "a line cut in its middle": (lambda text: text[: len(text) // 2].rsplit("\t", 1)[0], "E_TRUNCATED", None, "", ""),
    "the header twice": (lambda text: text + text.splitlines()[0] + "\n", "E_SCHEMA", None, "", ""),
    "a transcript twice": (lambda text: text + text.splitlines()[1] + "\n", "E_SCHEMA", None, "", ""),
    "nothing but a header": (lambda text: text.splitlines()[0] + "\n", "E_EMPTY", None, "", "no rows"),
    "nothing": (lambda text: "", "E_EMPTY", None, "", "empty"),
    "a page that asks for a login": (lambda text: "<html><body>login</body></html>\n", "E_SCHEMA", None, "", ""),
    "UTF-16": (lambda text: text.encode("utf-16"), "E_ENCODING", None, "", "UTF-8"),
}


def star(rows: int = 200) -> str:
    head = "".join(f"{name}\t9\t9\t9\n" for name in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"))
    return head + "".join(f"{twin.transcriptome().gene_id(i)}.1\t30000\t100\t29900\n" for i in range(rows))


def feature_counts(column: str) -> str:
    head = f"# Program:featureCounts v2.0.3\nGeneid\tChr\tStart\tEnd\tStrand\tLength\t{column}\n"
    return head + "".join(f"{twin.transcriptome().gene_id(i)}\tchr1\t1\t900\t+\t900\t50\n" for i in range(200))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("transcriptomes")
    made = Site(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        at_home(made.home, patch)
        _deliver(made, folder)
        made.ingest(only=["rnaseq"])
        yield made
    made.close()


def _deliver(site: Site, folder: Path) -> None:
    good = quant_of(folder, "PALBO-001").read_text(encoding="ascii")
    damaged = [
        Sent(damage(good), "rnaseq", f"PALBO-{100 + number}", "BL", f"B{number}", name=f"{number}.quant.sf",
             row={"role": "quant"})
        for number, (damage, *_) in enumerate(QUANT.values())
    ]  # fmt: skip
    packed = gzip.compress(good.encode("ascii"))
    others = {
        "cut.quant.sf.gz": (packed[: len(packed) // 2], "quant", ""),
        "flipped.quant.sf.gz": (packed[:-8] + bytes(4) + packed[-4:], "quant", ""),
        "head.ReadsPerGene.out.tab": ("".join(star().splitlines(keepends=True)[4:]), "gene_counts", ""),
        "role.quant.sf": (star(), "quant", ""),
        "other.featureCounts.txt": (feature_counts("/data/SAMPLE-77.bam"), "gene_counts", "SAMPLE-12"),
    }
    damaged += [
        Sent(content, "rnaseq", f"PALBO-{200 + number}", "BL", f"C{number}", name=name,
             row={"role": role, "sample_name": sample})
        for number, (name, (content, role, sample)) in enumerate(others.items())
    ]  # fmt: skip
    twin.write_tx2gene(folder)
    fine = [
        Sent(quant_of(folder, patient, reads=reads, **more), "rnaseq", patient, "BL", f"{patient}-T1",
             name=f"{patient}.quant.sf", row={"role": "quant"})
        for patient, reads, more in (
            ("PALBO-001", 4e7, {}),
            ("PALBO-002", 2e6, {}),  # too few reads
            ("PALBO-003", 4e7, {"HBB": 14.0, "HBA1": 14.0, "HBA2": 14.0}),  # a biopsy full of blood
        )
    ]  # fmt: skip
    fine.append(Sent(folder / "tx2gene.tsv", "rnaseq", row={"role": "tx2gene"}))
    site.deliver("core/rna", [*damaged, *fine])


@pytest.mark.parametrize(("number", "what"), list(enumerate(QUANT)))
def test_a_damaged_table_is_refused_at_the_door_with_what_and_where(site: Site, number: int, what: str) -> None:
    _, code, row, column, words = QUANT[what]
    entry = site.receipt("core/rna")[f"{number}.quant.sf"]
    assert (entry["status"], entry["reason"]) == ("QUARANTINED", code), entry
    assert entry["fix"] and words in entry["message"]
    assert row is None or entry["row"] == row
    assert not column or entry["column"] == column


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("cut.quant.sf.gz", "E_TRUNCATED", "ends too early"),
        ("flipped.quant.sf.gz", "E_CHECKSUM", "damaged"),
        ("head.ReadsPerGene.out.tab", "E_SCHEMA", "none of salmon"),
        ("role.quant.sf", "E_SCHEMA", "role quant"),
        ("other.featureCounts.txt", "E_SAMPLE_MISMATCH", "another sample"),
    ],
)
def test_a_file_that_is_not_what_its_row_says_is_refused(site: Site, file: str, code: str, words: str) -> None:
    entry = site.receipt("core/rna")[file]
    assert (entry["status"], entry["reason"]) == ("QUARANTINED", code), entry
    assert words in entry["message"] and entry["fix"]


def test_the_good_sample_of_that_delivery_has_expression_and_scores(site: Site) -> None:
    assert site.verdict("core/rna", "PALBO-001.quant.sf") == ("ACCEPTED", "")
    assert set(site.table("expression")["patient_id"]) == {"PALBO-001", "PALBO-002", "PALBO-003"}
    (quality,) = site.table("rna_qc", "PALBO-001|BL").to_dict("records")
    assert (quality["verdict"], quality["reasons"]) == ("pass", "")
    scores = site.table("expression_signatures", "PALBO-001|BL").set_index("signature")
    assert scores.loc["gene:ESR1", "status"] == "OBSERVED"


def test_too_few_reads_fail_the_sample_and_nothing_is_scored_from_it(site: Site) -> None:
    (quality,) = site.table("rna_qc", "PALBO-002|BL").to_dict("records")
    assert quality["verdict"] == "fail" and "LOW_ASSIGNED_READS" in quality["reasons"]
    scores = site.table("expression_signatures", "PALBO-002|BL")
    assert set(scores["status"]) == {"QC_FAIL"} and scores["score"].isna().all()


def test_a_biopsy_full_of_blood_is_flagged_and_keeps_its_numbers(site: Site) -> None:
    (quality,) = site.table("rna_qc", "PALBO-003|BL").to_dict("records")
    assert quality["verdict"] == "warn" and "HIGH_HAEMOGLOBIN_SHARE" in quality["reasons"]
    assert quality["haemoglobin_share"] > 0.05
