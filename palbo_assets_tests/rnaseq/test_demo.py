"""What is planted in the twin's expression is found again on its files by the room's own methods."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import rnaseq as twin
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.rnaseq.gene_sets import KEY_GENES, LITERATURE_SIGNATURES, read_gmt
from palbo_assets.rnaseq.gene_summary import tpm_by_symbol
from palbo_assets.rnaseq.intrinsic_subtype import SubtypeCall, call_subtype, read_centroids, read_medians
from palbo_assets.rnaseq.quality import assess
from palbo_assets.rnaseq.samples import read_sample
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.signature_scores import score_sample
from palbo_assets.rnaseq.transcript_map import TranscriptMap, read_tx2gene

PLANTED = ("LumA", "LumB", "Her2", "Basal")


class Bundle(NamedTuple):
    """The twin's references, read by the room's readers."""

    transcripts: TranscriptMap
    centroids: pd.DataFrame
    medians: pd.Series
    gene_sets: dict[str, tuple[str, ...]]

    def tpm(self, folder: Path, truth: SampleTruth, seed: int = 0) -> pd.Series:
        sample = read_sample(
            [(folder / file.file, "") for file in twin.write(truth, folder, np.random.default_rng(seed))],
            [self.transcripts],
        )
        assert sample.summary is not None
        return tpm_by_symbol(sample.summary.genes)

    def call(self, tpm: pd.Series) -> SubtypeCall:
        return call_subtype(np.log2(tpm + 1), self.centroids, self.medians)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    paths = {entry["name"]: Path(entry["path"]) for entry in twin.reference_entries(folder)}
    twin.write_tx2gene(folder)
    return Bundle(
        read_tx2gene(folder / "tx2gene.tsv"),
        read_centroids(paths["pam50_centroids"]),
        read_medians(paths["pam50_reference"]),
        dict(read_gmt(paths["gene_sets"])),
    )


def truth(subtype: str = "LumA", **log2fc: float) -> SampleTruth:
    return SampleTruth("PALBO-001", "BL", 0, 0.6, subtype=subtype, expression_log2fc=log2fc)


@pytest.mark.parametrize("subtype", PLANTED)
def test_the_planted_subtype_is_called_with_confidence(tmp_path: Path, bundle: Bundle, subtype: str) -> None:
    for seed in range(8):
        call = bundle.call(bundle.tpm(tmp_path, truth(subtype), seed))
        assert (call.subtype, call.confident, call.n_genes) == (subtype, True, 50)
        assert call.margin > 0.3  # measured 0.43 at least


@pytest.mark.parametrize("subtype", PLANTED)
def test_a_single_gene_shifted_by_one_doubling_changes_no_call(tmp_path: Path, bundle: Bundle, subtype: str) -> None:
    tpm = bundle.tpm(tmp_path, truth(subtype))
    for gene in twin.pam50_genes():
        for shift in (-1.0, 1.0):
            call = bundle.call(tpm.where(tpm.index != gene, tpm * 2**shift))
            assert (call.subtype, call.confident) == (subtype, True)


@pytest.mark.parametrize(("gene", "shift"), [("ESR1", -1.0), ("ERBB2", 1.0), ("MKI67", 1.0), ("CCNE1", 1.0)])
def test_shifts_planted_in_the_truth_keep_the_subtype_and_show_in_the_gene(
    tmp_path: Path, bundle: Bundle, gene: str, shift: float
) -> None:
    before, after = bundle.tpm(tmp_path, truth()), bundle.tpm(tmp_path, truth(**{gene: shift}))
    assert bundle.call(after).subtype == "LumA" and bundle.call(after).confident
    assert np.log2(after[gene] / before[gene]) == pytest.approx(shift, abs=0.1)


def test_single_gene_scores_recover_a_planted_loss(tmp_path: Path, bundle: Bundle) -> None:
    def score(tpm: pd.Series) -> float:
        rows = score_sample(tpm, bundle.gene_sets)
        return float(next(row["score"] for row in rows if row["signature"] == "gene:ESR1"))

    lost = score(bundle.tpm(tmp_path, truth(ESR1=-2.5))) - score(bundle.tpm(tmp_path, truth()))
    assert lost == pytest.approx(-2.5, abs=0.15)


def test_core_sets_follow_the_subtype_and_the_decoy_does_not(tmp_path: Path, bundle: Bundle) -> None:
    scores = {}
    for subtype in PLANTED:
        rows = score_sample(bundle.tpm(tmp_path, truth(subtype)), bundle.gene_sets)
        scores[subtype] = {row["signature"]: row["score"] for row in rows}
    assert scores["Basal"]["E2F_TARGETS_CORE"] > scores["LumA"]["E2F_TARGETS_CORE"] + 200
    assert scores["LumA"]["ESTROGEN_RESPONSE_CORE"] > scores["Basal"]["ESTROGEN_RESPONSE_CORE"] + 200
    for name in (twin.DECOY_SET, "INTERFERON_ALPHA_CORE"):
        values = [scores[subtype][name] for subtype in PLANTED]
        assert max(values) - min(values) < 100


def test_every_signature_and_key_gene_is_evaluable_in_the_twin(tmp_path: Path, bundle: Bundle) -> None:
    rows = score_sample(bundle.tpm(tmp_path, truth()), bundle.gene_sets)
    assert {row["status"] for row in rows} == {"OBSERVED"}
    assert len(rows) == len(bundle.gene_sets) + len(LITERATURE_SIGNATURES) + len(KEY_GENES)


def test_the_twins_sample_passes_quality_and_a_shallow_one_fails(tmp_path: Path, bundle: Bundle) -> None:
    for reads, verdict in ((None, "pass"), (5e6, "fail")):
        file = twin.write(truth(), tmp_path, np.random.default_rng(4), library_reads=reads)[0].file
        sample = read_sample([(tmp_path / file, "")], [bundle.transcripts])
        assert sample.summary is not None
        found = assess(sample.summary.genes, Settings())
        assert found["verdict"] == verdict, found
        assert found["tpm_sum"] == pytest.approx(1e6, rel=1e-4)
        assert found["rps4y1_tpm"] == 0 and found["xist_tpm"] > 1


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        file = twin.write(truth(), tmp_path / name, np.random.default_rng(9))[0].file
        contents.append((tmp_path / name / file).read_bytes())
    assert contents[0] == contents[1]


def test_a_gene_that_the_twin_lacks_cannot_be_planted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no gene NOSUCHGENE"):
        twin.write(truth(NOSUCHGENE=1.0), tmp_path, np.random.default_rng(0))


def test_core_sets_are_subsets_of_the_published_ones(shared_data: Path) -> None:
    published = read_gmt(shared_data / "reference/domain/h.all.v7.0.symbols.gmt")
    of = {
        "E2F_TARGETS_CORE": "HALLMARK_E2F_TARGETS",
        "ESTROGEN_RESPONSE_CORE": "HALLMARK_ESTROGEN_RESPONSE_EARLY",
        "INTERFERON_ALPHA_CORE": "HALLMARK_INTERFERON_ALPHA_RESPONSE",
    }
    for core, name in of.items():
        assert set(twin.CORE_SETS[core]) <= set(published[name]), set(twin.CORE_SETS[core]) - set(published[name])


def test_the_genes_are_those_of_pam50_and_the_centroids_are_nobodys(shared_data: Path, bundle: Bundle) -> None:
    real = pd.read_csv(shared_data / "rna/pam50_unc/pam50_centroids.tsv", sep="\t", index_col=0)
    assert set(bundle.centroids.index) == set(real.index)
    own = bundle.centroids["LumA"].round(3)
    assert not np.isclose(own, real["luminal_a"].reindex(own.index).round(3)).any()
