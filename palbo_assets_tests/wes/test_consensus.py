"""Several callers together: who is asked, who agrees, and that agreement is worth having."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.regions import reference
from palbo_assets.wes.call import References, Specimen, call_specimen
from palbo_assets.wes.callers import CallerVcf, read_vcf
from palbo_assets.wes.consensus import Electorate, agreed, votes
from palbo_assets.wes.settings import Settings

FILES = ("MuTect2", "VarDict", "Strelka.snv", "Strelka.indel", "MuSE", "LoFreq.snv", "LoFreq.indel", "SomaticSniper",
         "Scalpel")  # fmt: skip


def f1(found: set[Variant], truth: set[Variant]) -> float:
    return 2 * len(found & truth) / (len(found) + len(truth))


def consensus(files: list[CallerVcf], min_callers: int) -> set[Variant]:
    electorate = Electorate()
    for one in files:
        electorate.add(one.described, one.records)
    passing = votes((one.described, one.records) for one in files)
    return {variant for variant, names in passing.items() if agreed(names, electorate.asked(variant), min_callers)}


@pytest.fixture(scope="module")
def delivered(shared_data: Path) -> tuple[set[Variant], dict[str, CallerVcf]]:
    folder = shared_data / "wes_somatic" / "somaticseq_callers_vs_truth"
    with reference(folder / "tiny.fa") as fetch:
        truth = {one.variant for one in read_vcf(folder / "Varsim.somatic.truth.vcf", fetch=fetch).records}
        files = {name: read_vcf(folder / "paired_example" / f"{name}.vcf.gz", fetch=fetch) for name in FILES}
    return truth, files


def test_two_of_n_beats_every_delivered_file_and_no_caller_beats_it(
    delivered: tuple[set[Variant], dict[str, CallerVcf]],
) -> None:
    truth, files = delivered
    two = consensus(list(files.values()), 2)
    assert (len(two & truth), len(two)) == (121, 122)
    for one in files.values():
        assert f1({record.variant for record in one.records if record.passed}, truth) < f1(two, truth)
    for caller in {one.caller for one in files.values()}:  # Strelka2's two files together reach as much
        alone = {record.variant for one in files.values() if one.caller == caller
                 for record in one.records if record.passed}  # fmt: skip
        assert f1(alone, truth) <= f1(two, truth)
    without = [one for one in files.values() if one.caller != "strelka2"]
    best = max(f1({record.variant for record in one.records if record.passed}, truth) for one in without)
    assert f1(consensus(without, 2), truth) > best
    assert len(consensus(list(files.values()), 3) - truth) <= len(two - truth)


def _planted(path: Path, source: str, passing: set[int], rejected: set[int]) -> CallerVcf:
    """A caller's file of one contig: a C>T at each place, 20 of 100 fragments in the tumour, none in the normal."""
    lines = [
        "##fileformat=VCFv4.2", f"##source={source}", "##tumor_sample=T", "##normal_sample=N",
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tN\tT",
    ]  # fmt: skip
    for place in sorted(passing | rejected):
        verdict = "PASS" if place in passing else "weak"
        lines.append(f"c1\t{place}\t.\tC\tT\t.\t{verdict}\t.\tAD:DP\t60,0:60\t80,20:100")
    path.write_text("\n".join(lines) + "\n")
    return read_vcf(path, tumour_sample="T")


def test_each_planted_file_gives_its_true_calls_and_two_of_three_beat_the_best_of_them(tmp_path: Path) -> None:
    """Callers miss and err each for itself, so what two of them pass is nearly the truth."""
    rng = np.random.default_rng(4)
    truth = {Variant("c1", place, "C", "T") for place in range(1000, 1500)}
    files = []
    for number, source in enumerate(("Mutect2", "VarDict", "lofreq")):
        missed = set(rng.choice(range(1000, 1500), 50, replace=False).tolist())
        wrong = set(rng.choice(range(10_000, 90_000), 40, replace=False).tolist())
        passing = (set(range(1000, 1500)) - missed) | wrong
        files.append(_planted(tmp_path / f"{source}.vcf", source, passing, missed))
        found = {record.variant for record in files[number].records if record.passed}
        assert (files[number].caller, len(found & truth), len(found)) == (source.lower(), 450, 490)
    single = [f1({record.variant for record in one.records if record.passed}, truth) for one in files]
    assert max(single) == pytest.approx(2 * 450 / 990)
    two, three = consensus(files, 2), consensus(files, 3)
    assert f1(two, truth) > 0.97 > max(single) > f1(three, truth)
    assert len(two - truth) <= 1 and not three - truth


def test_a_caller_is_only_asked_for_what_it_calls_and_delivered(
    delivered: tuple[set[Variant], dict[str, CallerVcf]],
) -> None:
    _, files = delivered
    electorate = Electorate()
    for one in files.values():
        electorate.add(one.described, one.records)
    assert electorate.asked(Variant("1", 5, "A", "T")) == {
        "mutect2", "vardict", "strelka2", "muse", "lofreq", "somaticsniper",
    }  # fmt: skip
    # LoFreq's file of indels is empty: nobody ran it, or it has nothing to say.
    assert electorate.asked(Variant("1", 5, "A", "AT")) == {"mutect2", "vardict", "strelka2", "scalpel"}


def test_where_fewer_could_have_seen_a_variant_all_of_them_must_pass_it() -> None:
    assert agreed(frozenset({"a", "b"}), frozenset({"a", "b", "c"}), 2)
    assert not agreed(frozenset({"a"}), frozenset({"a", "b", "c"}), 2)
    assert agreed(frozenset({"a"}), frozenset({"a"}), 2)
    assert not agreed(frozenset(), frozenset(), 1)


def test_the_consensus_is_a_setting_that_the_table_shows(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "wes_somatic" / "somaticseq_callers_vs_truth"
    vcfs = [(folder / "paired_example" / f"{name}.vcf.gz", "") for name in FILES]
    lenient = {"min_tumour_depth": 1, "min_normal_depth": 1, "max_strand_phred": 1e9, "homopolymer_vaf": 0.0,
               "max_normal_alt": 100, "max_normal_vaf": 1.0, "max_somatic_p": 1.0, "germline_vaf": 1.1}  # fmt: skip
    passing = {}
    for least in (1, 2, 3):
        settings = Settings(min_callers=least, **lenient)  # type: ignore[arg-type]
        rows = call_specimen(Specimen(vcfs=vcfs), References(fasta=folder / "tiny.fa"), settings, tmp_path).rows
        passing[least] = [row for row in rows if row["filter"] == "PASS"]
        assert all(row["callers_passing"] >= min(least, row["callers_asked"]) for row in passing[least])
        few = [row for row in rows if "caller_consensus" in row["filter"]]
        assert all(0 < row["callers_passing"] < least for row in few) and bool(few) == (least > 1)
    assert len(passing[1]) > len(passing[2]) > len(passing[3]) > 100
