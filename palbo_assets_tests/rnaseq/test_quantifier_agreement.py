"""One library, three quantifiers: the genes that salmon, kallisto and RSEM report are brought to the same table.

Reads are simulated from genes with several isoforms, so the truth is known too. The quantifiers are Debian's.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.library_metrics import read_metrics
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.transcript_map import read_tx2gene

pytestmark = pytest.mark.accuracy

GENES = 600
PAIRS = 60_000
READ = 75
FRAGMENT, FRAGMENT_SD = 220, 30
ERROR = 0.005  # a base
BASES = np.frombuffer(b"ACGT", np.uint8)
COMPLEMENT = np.zeros(256, np.uint8)
COMPLEMENT[list(b"ACGT")] = list(b"TGCA")


@dataclass(frozen=True)
class Library:
    """One library of reads, where it came from, and the TPM of the genes that were simulated."""

    folder: Path
    truth: pd.Series


def _transcripts(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Isoforms of a gene share exons: the longest holds all, each other one lacks an exon."""
    transcripts = {}
    for gene in range(GENES):
        exons = [BASES[rng.integers(0, 4, size)] for size in rng.integers(250, 700, rng.integers(2, 6))]
        kept = [tuple(range(len(exons)))]
        kept += [tuple(n for n in kept[0] if n != skipped) for skipped in range(1, min(len(exons), 4))]
        for isoform, parts in enumerate(kept):
            transcripts[f"ENST{gene:05d}{isoform:06d}.1"] = np.concatenate([exons[part] for part in parts])
    return transcripts


def gene_of(transcript: str) -> str:
    return f"ENSG{transcript[4:9]:>011}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    for tool in ("salmon", "kallisto", "rsem-calculate-expression", "bowtie2"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} isn't installed: apt-get install salmon kallisto rsem bowtie2")
    folder = tmp_path_factory.mktemp("library")
    rng = np.random.default_rng(11)
    transcripts = _transcripts(rng)
    names = list(transcripts)
    genes = pd.Series([gene_of(name) for name in names])
    of_gene = pd.Series(rng.lognormal(2, 1.8, GENES) * (rng.random(GENES) > 0.15), index=genes.unique())
    isoform = rng.gamma(0.5, 1, len(names))
    share = isoform / pd.Series(isoform).groupby(genes.to_numpy()).sum().reindex(genes).to_numpy()
    molecules = of_gene.reindex(genes).to_numpy() * share
    tpm = pd.Series(molecules / molecules.sum() * 1e6).groupby(genes.to_numpy()).sum()

    effective = np.array([max(len(sequence) - FRAGMENT + 1, 1) for sequence in transcripts.values()])
    weight = molecules * effective
    chosen = rng.choice(len(names), PAIRS, p=weight / weight.sum())
    with (folder / "1.fastq").open("wb") as first, (folder / "2.fastq").open("wb") as second:
        for number, transcript in enumerate(chosen):
            sequence = transcripts[names[transcript]]
            size = int(np.clip(rng.normal(FRAGMENT, FRAGMENT_SD), READ, len(sequence)))
            start = int(rng.integers(0, len(sequence) - size + 1))
            ends = [sequence[start : start + READ], COMPLEMENT[sequence[start + size - READ : start + size][::-1]]]
            for file, read in zip((first, second), ends if rng.random() < 0.5 else ends[::-1], strict=True):
                wrong = rng.random(READ) < ERROR
                bases = np.where(wrong, BASES[rng.integers(0, 4, READ)], read).astype(np.uint8).tobytes()
                file.write(b"@r%d\n%s\n+\n%s\n" % (number, bases, b"I" * READ))
    with (folder / "transcripts.fa").open("w") as fasta:
        fasta.writelines(f">{name}\n{sequence.tobytes().decode()}\n" for name, sequence in transcripts.items())
    (folder / "tx2gene.csv").write_text(
        "transcript_id,gene_id\n" + "".join(f"{name},{gene_of(name)}\n" for name in names)
    )
    (folder / "genes.txt").write_text("".join(f"{gene_of(name)}\t{name}\n" for name in names))
    _quantify(folder)
    return Library(folder, tpm)


def _quantify(folder: Path) -> None:
    for command in (
        "salmon index -t transcripts.fa -i salmon_index -k 31",
        "salmon quant -i salmon_index -l A -1 1.fastq -2 2.fastq -o salmon -p 1",
        "kallisto index -i kallisto_index transcripts.fa",
        "kallisto quant -i kallisto_index -o kallisto 1.fastq 2.fastq",
        "rsem-prepare-reference --bowtie2 --transcript-to-gene-map genes.txt transcripts.fa rsem_reference",
        "rsem-calculate-expression --bowtie2 --paired-end --no-bam-output 1.fastq 2.fastq rsem_reference rsem",
    ):
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


def _genes(library: Library, table: str) -> pd.DataFrame:
    transcripts = read_tx2gene(library.folder / "tx2gene.csv")
    return summarise(read_quantification(library.folder / table), transcripts).genes.set_index("gene_id")


TABLES = ("salmon/quant.sf", "kallisto/abundance.tsv", "rsem.genes.results", "rsem.isoforms.results")


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(TABLES, 2)))
def test_quantifiers_of_one_library_agree(library: Library, one: str, other: str) -> None:
    first, second = _genes(library, one), _genes(library, other)
    both = first.join(second, rsuffix="_other", how="inner")
    assert len(both) == len(first) == len(second) == GENES
    assert both["tpm"].corr(both["tpm_other"], method="spearman") > 0.95  # measured 0.9990 to 0.9998
    assert both["count"].corr(both["count_other"], method="spearman") > 0.95
    expressed = both[both["count"] > 50]
    assert (expressed["effective_length"] / expressed["effective_length_other"]).median() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("table", TABLES)
def test_a_quantified_library_gives_the_simulated_expression(library: Library, table: str) -> None:
    genes = _genes(library, table)
    truth = library.truth.reindex(genes.index)
    assert genes["tpm"].corr(truth, method="spearman") > 0.95  # measured 0.974: rare genes have few reads
    assert genes["tpm"].sum() == pytest.approx(1e6, rel=1e-3)
    assert genes["count"].sum() == pytest.approx(PAIRS, rel=0.03)
    expressed = genes["count"] > 200
    assert (genes["tpm"] / truth)[expressed].median() == pytest.approx(1, abs=0.05)


def test_quantifiers_own_reports_are_read_as_they_write_them(library: Library) -> None:
    for report in ("salmon/aux_info/meta_info.json", "kallisto/run_info.json"):
        assert read_metrics(library.folder / report).mapped_share == pytest.approx(1, abs=0.05)
    assert read_metrics(library.folder / "salmon/lib_format_counts.json").strandedness == "unstranded"
