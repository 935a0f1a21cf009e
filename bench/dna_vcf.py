"""A caller's VCF to columns: the column parser against cyvcf2 and pysam, on a tumour/normal file with VEP's CSQ.

Taken from every record: position, alleles, FILTER, TLOD, CSQ's gene and consequence, and the tumour's AD, DP and AF.
All contestants inflate the same BGZF file and must end with the same sums and the same counts of every text.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Contestant, compare, growth, show

GENES = [f"GENE{number}" for number in range(1500)]
EFFECTS = ["missense_variant", "synonymous_variant", "intron_variant", "stop_gained", "splice_region_variant"]
FILTERS = ["PASS", "PASS", "weak_evidence", "clustered_events;strand_bias", "germline"]
INFO = (
    ("AS_FilterStatus", "A", "String"), ("AS_SB_TABLE", "1", "String"), ("DP", "1", "Integer"),
    ("ECNT", "1", "Integer"),
    ("GERMQ", "1", "Integer"), ("MBQ", "R", "Integer"), ("MFRL", "R", "Integer"), ("MMQ", "R", "Integer"),
    ("MPOS", "A", "Integer"), ("NALOD", "A", "Float"), ("NLOD", "A", "Float"), ("POPAF", "A", "Float"),
    ("TLOD", "A", "Float"),
)  # fmt: skip
FORMAT = (
    ("GT", "1", "String"), ("AD", "R", "Integer"), ("AF", "A", "Float"), ("DP", "1", "Integer"),
    ("F1R2", "R", "Integer"), ("F2R1", "R", "Integer"), ("SB", "4", "Integer"),
)  # fmt: skip
CSQ = ["Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "HGVSc",
       "HGVSp", "cDNA_position", "CDS_position", "Protein_position", "Amino_acids", "Codons"]  # fmt: skip


def write_vcf(path: Path, records: int) -> None:
    """A Mutect2 file with two samples, one alternative allele a record; the same for the same size."""
    import pysam

    rng = np.random.default_rng(records)
    header = ["##fileformat=VCFv4.2", "##source=Mutect2", "##normal_sample=N", "##tumor_sample=T"]
    header.append("##contig=<ID=chr1,length=248956422>")
    for key, number, kind in INFO:
        header.append(f'##INFO=<ID={key},Number={number},Type={kind},Description="{key}">')
    header.append(f'##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequences by VEP. Format: {"|".join(CSQ)}">')
    names = {name for one in FILTERS for name in one.split(";")} - {"PASS"}
    header += [f'##FILTER=<ID={name},Description="{name}">' for name in sorted(names)]
    for key, number, kind in FORMAT:
        header.append(f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{key}">')
    header.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tN\tT")
    pos = np.sort(rng.choice(240_000_000, records, replace=False)) + 1
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(("\n".join(header) + "\n").encode())
        for number in range(records):
            ref, alt = (("A", "G"), ("C", "T"), ("G", "A"), ("CT", "C"), ("T", "TAG"))[int(rng.integers(5))]
            gene, effect = GENES[int(rng.integers(1500))], EFFECTS[int(rng.integers(5))]
            entries = ",".join(
                f"{alt}|{effect}|MODERATE|{gene}|ENSG{number % 1500:011d}|Transcript|ENST{number + copy:011d}|"
                f"protein_coding|{copy + 1}/11|ENST{number:011d}.9:c.{number}A>G|ENSP{number:011d}.4:p.Arg282Trp|"
                f"{number}|{number}|282|R/W|Cgg/Tgg"
                for copy in range(int(rng.integers(1, 4)))
            )
            cells = []
            for depth, share in ((int(rng.integers(30, 120)), 0.01), (int(rng.integers(60, 300)), 0.25)):
                found = int(rng.binomial(depth, share))
                one = found // 2
                cells.append(
                    f"0/1:{depth - found},{found}:{found / depth:.3f}:{depth}:{depth // 2},{one}:"
                    f"{depth - depth // 2},{found - one}:{depth // 2},{depth - depth // 2},{one},{found - one}"
                )
            said = FILTERS[int(rng.integers(5))]
            info = (
                f"AS_FilterStatus=SITE;AS_SB_TABLE={depth // 2},{depth - depth // 2}|{one},{found - one};DP={depth};"
                f"ECNT=1;GERMQ=93;MBQ=35,37;MFRL=332,{300 + number % 60};MMQ=60,60;MPOS={number % 50};NALOD=1.41;"
                f"NLOD={rng.uniform(3, 20):.2f};POPAF=6.00;TLOD={rng.uniform(3, 90):.2f};CSQ={entries}"
            )
            out.write(
                f"chr1\t{pos[number]}\t.\t{ref}\t{alt}\t.\t{said}\t{info}\tGT:AD:AF:DP:F1R2:F2R1:SB\t"
                f"{cells[0]}\t{cells[1]}\n".encode()
            )


def sums(pos: Any, ref: Any, depth: Any, alt: Any, af: Any, tlod: Any) -> Any:
    """Sums of the numbers, fractions as htslib's 32 bits hold them."""
    whole = [int(np.sum(one, dtype=np.int64)) for one in (pos, ref, depth, alt)]
    return whole, [round(float(np.sum(np.asarray(one, np.float32), dtype=np.float64)), 4) for one in (af, tlod)]


def digest(numbers: Any, texts: list[Counter[str]]) -> Any:
    """The sums, the length of all texts, and a checksum of how often each text stands."""
    length = sum(len(text) * times for one in texts for text, times in one.items())
    return numbers, length, [zlib.crc32(repr(sorted(one.items())).encode()) for one in texts]


def ours(path: Path, coded: bool) -> Any:
    """With ``coded`` texts become dictionary codes, else they stay places in the buffer, as in Arrow's string views."""
    from palbo_assets.genomics.bgzf import line_chunks
    from palbo_assets.genomics.vcf_columns import Wanted, read_columns
    from palbo_assets.genomics.vcf_texts import Dictionary, pieces, reals

    wanted = Wanted(samples=(1,), counts=("AD", "DP"), values=("AF",), info=("TLOD", "CSQ"))
    numbers: list[list[Any]] = [[] for _ in range(6)]
    texts: list[list[Any]] = [[] for _ in range(4)]
    known = [Dictionary() for _ in range(4)]  # one a text column, over all chunks
    start, bar = -1, ord("|")
    for text in line_chunks(path):
        start = text.index(b"\n", text.index(b"\n#CHROM") + 1) + 1 if start < 0 else 0
        found = read_columns(text, wanted, n_cells=11, start=start)
        assert found.plain.all()
        ref, csq, counts = found.spans(3), found.info[:, 1], found.counts[:, 0]
        columns = (
            found.pos, ref[:, 1] - ref[:, 0], counts[:, 1, 0].copy(), counts[:, 0, 1].copy(),
            reals(found.text, found.values[:, 0, 0]), reals(found.text, found.info[:, 0]),
        )  # fmt: skip
        for column, values in zip(numbers, columns, strict=True):
            column.append(values)
        places = (found.spans(4), found.spans(6), pieces(found.text, csq, bar, 3), pieces(found.text, csq, bar, 1))
        for column, names, spans in zip(texts, known, places, strict=True):
            column.append(names.encode(found.text, spans) if coded else spans)
    whole = [np.concatenate(column) for column in numbers]
    if not coded:
        return sums(*whole), sum(int((one[:, 1] - one[:, 0]).sum()) for column in texts for one in column)  # type: ignore[call-arg]
    counters = []
    for column, names in zip(texts, known, strict=True):
        counters.append(Counter(dict(zip(names.values(), np.bincount(np.concatenate(column)).tolist(), strict=True))))
    return digest(sums(*whole), counters)  # type: ignore[call-arg]


def with_cyvcf2(path: Path) -> Any:
    import cyvcf2

    rows: list[list[Any]] = [[] for _ in range(10)]
    for one in cyvcf2.VCF(str(path)):
        entry = one.INFO.get("CSQ").partition(",")[0].split("|")
        values = (
            one.POS, len(one.REF), int(one.format("DP")[1][0]), int(one.format("AD")[1][1]), one.format("AF")[1][0],
            one.INFO.get("TLOD"), one.ALT[0], one.FILTER or "PASS", entry[3], entry[1],
        )  # fmt: skip
        for column, value in zip(rows, values, strict=True):
            column.append(value)
    return digest(sums(*rows[:6]), [Counter(column) for column in rows[6:]])


def with_pysam(path: Path) -> Any:
    import pysam

    rows: list[list[Any]] = [[] for _ in range(10)]
    with pysam.VariantFile(str(path)) as opened:
        for one in opened:
            entry, tumour = one.info["CSQ"][0].split("|"), one.samples[1]
            values = (
                one.pos, len(one.ref), tumour["DP"], tumour["AD"][1], tumour["AF"][0], one.info["TLOD"][0],
                one.alts[0], ";".join(one.filter.keys()), entry[3], entry[1],
            )  # fmt: skip
            for column, value in zip(rows, values, strict=True):
                column.append(value)
    return digest(sums(*rows[:6]), [Counter(column) for column in rows[6:]])


def limit(path: Path) -> Any:
    from palbo_assets.genomics.bgzf import line_chunks

    return sum(text.count(b"\n") for text in line_chunks(path))


def product(path: Path, fast: bool) -> Any:
    from palbo_assets.wes.callers import read_vcf

    found = read_vcf(path, fast=fast)
    return (
        len(found.records),
        sum(one.tumour.alt or 0 for one in found.records),
        sum(one.passed for one in found.records),
    )


def main(smoke: bool) -> None:
    base = 2_000 if smoke else 10_000
    spent: dict[str, list[float]] = {}
    sizes = [base * factor for factor in ((1, 4) if smoke else (1, 4, 16))]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "warm.vcf.gz"
        write_vcf(small, 50)
        for size in sizes:
            path = Path(folder) / f"{size}.vcf.gz"
            write_vcf(path, size)

            def one(name: str, run: Callable[[Path], Any], path: Path = path) -> Contestant:
                return Contestant(name, lambda: run(path), lambda: run(small))

            figures = compare(
                [
                    one("inflate and count lines (limit)", limit),
                    one("column parser", lambda where: ours(where, False)),
                    one("column parser, texts coded", lambda where: ours(where, True)),
                    one("cyvcf2", with_cyvcf2),
                    one("pysam", with_pysam),
                    one("read_vcf, column parser", lambda where: product(where, True)),
                    one("read_vcf, text", lambda where: product(where, False)),
                ],
                rounds=3,
            )
            show(f"{size:,} records", figures, "cyvcf2", "records", size)
            results = {name: figure.result for name, figure in figures.items()}
            assert results["column parser, texts coded"] == results["cyvcf2"] == results["pysam"], "fields differ"
            assert results["column parser"] == results["cyvcf2"][:2], "sums differ"
            assert results["read_vcf, column parser"] == results["read_vcf, text"], "records differ"
            for name, figure in figures.items():
                spent.setdefault(name, []).append(figure.cpu)
        ratio = spent["cyvcf2"][-1] / spent["column parser"][-1]
        sys.stdout.write(f"\ncolumn parser: {ratio:.1f} times as fast as cyvcf2")
        if len(sizes) > 2:
            sys.stdout.write(f"; growth {growth(sizes, spent['column parser']):.2f}")
        sys.stdout.write("\n")
        assert ratio > (3 if smoke else 6), "slower than it should be"
