"""From reads to named, judged variants on the twin: what was planted is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.demo import wes as writer
from palbo_assets.genomics.allele_counts import Evidence
from palbo_assets.genomics.identity_snps import read_snps
from palbo_assets.genomics.regions import read_bed, reference
from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes import identity, read_quality
from palbo_assets.wes.call import Calls, References, Specimen, call_specimen
from palbo_assets.wes.cell_fraction_rows import with_cell_fractions
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.somatic_filter import somatic_filter
from palbo_assets.wes.tumour_profile import read_tumour_profile
from palbo_assets_tests.wes.conftest import Twin

SETTINGS = Settings()


def called(twin: Twin, name: str, workdir: Path, **files: object) -> Calls:
    patient = name.rsplit("-", 1)[0]
    specimen = Specimen(tumour=twin.bam(f"{name}-T"), normal=twin.bam(f"{patient}-N"), **files)  # type: ignore[arg-type]
    return call_specimen(specimen, twin.references, SETTINGS, workdir)


@pytest.mark.parametrize("name", ["PALBO-001-BL", "PALBO-001-PD", "PALBO-002-BL"])
def test_planted_variants_are_found_with_their_protein_change_and_nothing_else_passes(
    twin: Twin, name: str, tmp_path: Path
) -> None:
    truth = twin.truths[name]
    rows = called(twin, name, tmp_path).rows
    passing = {(row["gene"], row["hgvsp_short"], row["consequence"]) for row in rows if row["filter"] == "PASS"}
    assert passing == {(one.gene, one.hgvsp_short, one.consequence) for one in truth.mutations}
    vaf = {(row["chrom"], row["pos"]): row["t_vaf"] for row in rows}
    for one in truth.mutations:
        expected = writer.somatic_vaf(one, truth)
        assert vaf[(one.chrom, one.pos)] == pytest.approx(expected, abs=4 * (expected / 90) ** 0.5)


def test_lof_and_hotspots_are_flagged(twin: Twin, tmp_path: Path) -> None:
    rows = {row["hgvsp_short"]: row for row in called(twin, "PALBO-001-PD", tmp_path).rows if row["filter"] == "PASS"}
    assert {change for change, row in rows.items() if row["lof"]} == {"p.E137fs", "p.R320*"}
    assert {change for change, row in rows.items() if not row["hotspot"]} == {"p.E137fs", "p.R320*"}
    assert all(row["evaluable"] for row in rows.values())


def test_germline_variants_stay_out_of_the_table(twin: Twin, tmp_path: Path) -> None:
    found = called(twin, "PALBO-001-BL", tmp_path)
    snps = {(snp.chrom, snp.pos) for snp in twin.genome.snps}
    assert found.n_germline > 100
    assert not [row for row in found.rows if (row["chrom"], row["pos"]) in snps and row["filter"] == "PASS"]


def test_the_same_files_give_the_same_rows(twin: Twin, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    assert called(twin, "PALBO-001-PD", first).rows == called(twin, "PALBO-001-PD", second).rows


@pytest.mark.parametrize("name", ["PALBO-001-BL", "PALBO-001-PD"])
def test_a_callers_file_joins_what_the_reads_say(twin: Twin, name: str, tmp_path: Path) -> None:
    path = twin.folder / f"{name}-T.mutect2.vcf.gz"
    joined = called(twin, name, tmp_path, vcfs=[(path, "")]).rows
    passing = [row for row in joined if row["filter"] == "PASS"]
    assert {row["source"] for row in passing} == {"bam+mutect2"}
    assert {row["caller_filter"] for row in passing} == {"PASS"}
    alone = call_specimen(Specimen(vcfs=[(path, "")]), twin.references, SETTINGS, tmp_path).rows
    assert {row["hgvsp_short"] for row in alone} == {row["hgvsp_short"] for row in passing}
    assert {row["source"] for row in alone} == {"mutect2"}


def test_a_purity_beside_segments_gives_the_planted_cell_fractions(twin: Twin, tmp_path: Path) -> None:
    lines = ["chr\tstartpos\tendpos\tnMajor\tnMinor\tpurity"]
    lines += [f"{chrom}\t1\t{length}\t1\t1\t0.6" for chrom, length in twin.genome.contigs.items()]
    path = tmp_path / "segments.txt"
    path.write_text("\n".join(lines) + "\n")
    found = called(twin, "PALBO-001-PD", tmp_path).rows
    rows = with_cell_fractions(found, read_tumour_profile([(path, "")], [], SETTINGS), SETTINGS)
    by_change = {row["hgvsp_short"]: row for row in rows if row["filter"] == "PASS"}
    for one in twin.truths["PALBO-001-PD"].mutations:
        row = by_change[one.hgvsp_short]
        assert row["ccf"] == pytest.approx(one.ccf, abs=0.3)
        assert row["ccf_low"] <= one.ccf <= row["ccf_high"]
        assert (row["total_cn"], row["minor_cn"]) == (2, 1)
        assert (row["clonality"] == "CLONAL") is (row["ccf_high"] >= SETTINGS.ccf_clonal)
        assert one.ccf < 1 or row["clonality"] == "CLONAL"
    without = with_cell_fractions(found, None, SETTINGS)
    assert {(row["ccf"], row["clonality"], row["ccf_reason"]) for row in without} == {
        (None, "NOT_EVALUABLE", "NO_SEGMENTS")
    }


def test_without_gene_models_variants_are_still_found_but_not_named(twin: Twin, tmp_path: Path) -> None:
    bare = References(fasta=twin.genome.fasta, targets=twin.genome.target_bed)
    specimen = Specimen(tumour=twin.bam("PALBO-001-BL-T"), normal=twin.bam("PALBO-001-N"))
    rows = [row for row in call_specimen(specimen, bare, SETTINGS, tmp_path).rows if row["filter"] == "PASS"]
    assert len(rows) == 2
    assert all(row["gene"] is None and row["consequence"] is None for row in rows)


def test_a_tumour_without_normal_passes_nothing(twin: Twin, tmp_path: Path) -> None:
    rows = call_specimen(Specimen(tumour=twin.bam("PALBO-002-BL-T")), twin.references, SETTINGS, tmp_path).rows
    assert rows
    assert all("no_normal" in row["filter"] for row in rows)


def test_swapped_tumours_are_told_from_their_normals(twin: Twin) -> None:
    snps = read_snps(twin.genome.snp_bed)
    fractions = {}
    with reference(twin.genome.fasta) as fetch:
        for name in ("PALBO-001-BL-T", "PALBO-001-PD-T", "PALBO-002-BL-T", "PALBO-001-N", "PALBO-002-N"):
            fractions[name] = identity.allele_fractions(twin.bam(name), snps, fetch, SETTINGS)
    for tumour in ("PALBO-001-BL-T", "PALBO-001-PD-T", "PALBO-002-BL-T"):
        for normal in ("PALBO-001-N", "PALBO-002-N"):
            found = identity.compare(fractions[tumour], fractions[normal], SETTINGS)
            own = tumour[:9] == normal[:9]
            assert found.verdict == ("matched" if own else "mismatch")
            assert found.concordance is not None
            assert found.concordance >= 0.99 if own else found.concordance < 0.8
            assert found.n_sites >= 100


def test_read_quality_measures_what_was_planted(twin: Twin) -> None:
    targets = read_bed(twin.genome.target_bed)
    found = {}
    for name in ("PALBO-002-BL-T", "PALBO-002-N"):
        found[name] = read_quality.measure(twin.bam(name), targets, SETTINGS)
    tumour, normal = found["PALBO-002-BL-T"], found["PALBO-002-N"]
    assert tumour.mean_depth == pytest.approx(writer.TUMOUR_DEPTH, rel=0.25)
    assert normal.mean_depth == pytest.approx(writer.NORMAL_DEPTH, rel=0.25)
    assert tumour.duplicate_pct == pytest.approx(100 * 0.06 / 1.06, abs=0.6)
    assert tumour.on_target_pct is not None and tumour.on_target_pct > 95
    assert read_quality.verdict(tumour, normal, SETTINGS) == (Qc.PASS, [])
    strict = SETTINGS.model_copy(
        update={"tumour_depth_pass": 1000.0, "normal_depth_fail": 500.0, "normal_depth_pass": 600.0}
    )
    assert read_quality.verdict(tumour, normal, strict)[0] is Qc.FAIL


def test_depth_over_targets_is_the_depth_that_samtools_counts(twin: Twin) -> None:
    import pysam

    path = twin.bam("PALBO-002-N")
    targets = read_bed(twin.genome.target_bed)
    mine = read_quality.measure(path, targets, SETTINGS)
    text = pysam.samtools.depth(  # type: ignore[attr-defined]
        "-a", "-Q", "30", "-b", str(twin.genome.target_bed), str(path)
    )
    depths = [int(line.split("\t")[2]) for line in str(text).splitlines()]
    assert mine.mean_depth == pytest.approx(sum(depths) / len(depths), rel=1e-9)
    assert mine.covered_20x_pct == pytest.approx(100 * sum(d >= 20 for d in depths) / len(depths))


E = Evidence
NORMAL = E(60, 0, 30, 30, 0, 0)


@pytest.mark.parametrize(
    ("tumour", "normal", "options", "expected"),
    [
        (E(100, 30, 35, 35, 15, 15), NORMAL, {}, "PASS"),
        (E(15, 8, 4, 3, 4, 4), NORMAL, {}, "low_tumour_depth"),
        (E(100, 4, 48, 48, 2, 2), NORMAL, {}, "low_alt_reads;low_vaf"),
        (E(100, 30, 35, 35, 15, 15), E(8, 0, 4, 4, 0, 0), {}, "low_normal_depth"),
        (E(100, 30, 35, 35, 15, 15), E(60, 4, 28, 28, 2, 2), {}, "normal_evidence"),
        (E(400, 100, 300, 0, 0, 100), NORMAL, {}, "strand_bias"),
        (E(100, 8, 46, 46, 4, 4), NORMAL, {"indel": True, "homopolymer": 8}, "homopolymer"),
        (E(100, 4, 48, 48, 2, 2), E(200, 0, 100, 100, 0, 0), {"hotspot": True}, "PASS"),
        (E(100, 6, 47, 47, 3, 3), E(40, 1, 20, 19, 1, 0), {}, "not_somatic"),
        (E(100, 30, 35, 35, 15, 15), None, {}, "no_normal"),
        (None, NORMAL, {}, "not_countable"),
    ],
)
def test_each_reason_against_a_call(
    tumour: E | None, normal: E | None, options: dict[str, object], expected: str
) -> None:
    assert somatic_filter(tumour, normal, SETTINGS, **options) == expected  # type: ignore[arg-type]


def test_known_tumour_dna_in_the_normal_relaxes_its_limit() -> None:
    tumour, normal = E(100, 30, 35, 35, 15, 15), E(100, 3, 48, 49, 2, 1)
    assert somatic_filter(tumour, normal, SETTINGS) == "normal_evidence"
    assert somatic_filter(tumour, normal, SETTINGS.model_copy(update={"tumour_in_normal": 0.1})) == "PASS"
