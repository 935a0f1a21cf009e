"""Calls: what is there, what is excluded with power, and what can't be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from palbo_assets.ctdna.background import Background, estimate_background, read_background
from palbo_assets.ctdna.calling import (
    GERMLINE,
    NOT_SHORT,
    PASS,
    SAMPLE_QC,
    STRAND,
    TRACKED_COLUMNS,
    Call,
    benjamini_hochberg,
    call_variants,
    one_strand_only,
    read_tracked_sites,
)
from palbo_assets.ctdna.molecules import Evidence, MoleculeCounts, count_molecules, fasta_reference
from palbo_assets.ctdna.settings import Settings
from palbo_assets.demo import ctdna as twin
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import CallState
from palbo_assets_tests.ctdna.conftest import KNOWN, PLANTED, REAL, Plasma, RealRun, truth_of

Site = tuple[str, int, str, str]
NOTHING = pd.DataFrame(columns=list(TRACKED_COLUMNS))


def by_site(calls: list[Call]) -> dict[Site, Call]:
    return {(call.chrom, call.pos, call.ref, call.alt): call for call in calls}


def real_calls(run: RealRun, sample: str, tracked: pd.DataFrame) -> list[Call]:
    counts = run.counts(sample, Settings())
    return call_variants(counts, run.panel, estimate_background(counts, Settings()), tracked, Settings())


# --- Real data: a 1 % mix of reference DNA against wild-type DNA ---


@pytest.mark.parametrize("informed", [True, False])
def test_the_four_known_variants_of_a_one_percent_mix_are_found_near_their_fractions(
    real_run: RealRun, informed: bool
) -> None:
    calls = by_site(real_calls(real_run, REAL[0], real_run.tracked if informed else NOTHING))
    for site, fraction in KNOWN.items():
        call = calls[site[:4]]
        assert call.state is CallState.PRESENT and call.filter == PASS and call.tracked == informed
        assert call.vaf == pytest.approx(fraction, abs=2e-4)


def test_wild_type_dna_shows_none_of_them_and_its_depth_excludes_half_a_percent(real_run: RealRun) -> None:
    calls = real_calls(real_run, REAL[1], real_run.tracked)
    assert {(call.chrom, call.pos, call.ref, call.alt) for call in calls} == {site[:4] for site in KNOWN}
    for call in calls:
        assert call.state is CallState.ABSENT
        assert call.lod95_vaf is not None and call.lod95_vaf < 0.0025
        assert call.power is not None and call.power > 0.95


def test_what_else_the_mix_shows_is_at_a_listed_site_or_at_the_same_fraction(real_run: RealRun) -> None:
    """Two more alleles are called in the mix: one at a position of the provider's own target list, and a deletion at
    1 % (as many molecules as a stated variant beside it); neither is in wild-type DNA. See the docs page."""
    extra = {(call.chrom, call.pos) for call in real_calls(real_run, REAL[0], real_run.tracked) if not call.tracked}
    assert extra == {("chr17", 7674229), ("chr17", 7674239)}
    listed = (real_run.folder / "simple.bed").read_text()
    assert "chr17\t7674229" in listed


# --- The twin: planted truth ---


@pytest.fixture(scope="module")
def calls(plasma: Plasma, plasma_counts: MoleculeCounts) -> dict[Site, Call]:
    background = read_background(plasma.background, Settings())
    return by_site(call_variants(plasma_counts, plasma.panel, background, plasma.tracked, Settings()))


def site_of(plasma: Plasma, gene: str, change: str) -> Site:
    return plasma.genome.mutation(gene, change)[:4]


def test_planted_variants_are_present_within_sampling_error(plasma: Plasma, calls: dict[Site, Call]) -> None:
    for (gene, change), fraction in PLANTED.items():
        if not fraction or gene == "FAT1":
            continue
        call = calls[site_of(plasma, gene, change)]
        assert call.state is CallState.PRESENT and call.unique_depth is not None and call.vaf is not None
        error = np.sqrt(fraction * (1 - fraction) / call.unique_depth)
        # Indels near a read's end align as reference, as they do in sequencing, so they may read a quarter low.
        low = 0.75 * fraction if len(call.ref) != len(call.alt) else fraction
        assert low - 4 * error <= call.vaf <= fraction + 4 * error
        assert (call.gene, call.hgvsp_short) == (gene, change)


def test_nothing_else_of_the_tracked_sites_is_present(plasma: Plasma, calls: dict[Site, Call]) -> None:
    planted = {site_of(plasma, *name) for name, fraction in PLANTED.items() if fraction}
    assert [call for site, call in calls.items() if call.state is CallState.PRESENT and site not in planted] == []


def test_a_variant_that_is_not_shed_is_absent_with_its_power_stated(plasma: Plasma, calls: dict[Site, Call]) -> None:
    call = calls[site_of(plasma, "KRAS", "p.G12D")]
    assert call.state is CallState.ABSENT
    assert call.power is not None and call.power >= 0.95
    assert call.lod95_vaf is not None and call.lod95_vaf <= Settings().excluded_vaf


def test_a_locus_off_the_panel_version_is_not_assayed_whatever_the_tumour_has(
    plasma: Plasma, calls: dict[Site, Call]
) -> None:
    call = calls[site_of(plasma, "FAT1", "p.R250*")]
    assert call.state is CallState.NOT_ASSAYED
    assert (call.unique_depth, call.alt_molecules, call.vaf, call.lod95_vaf) == (None, None, None, None)
    states = {call.gene: call.state for call in calls.values() if call.tracked}
    assert states["KMT2C"] is CallState.NOT_ASSAYED


def test_germline_snps_on_the_panel_are_flagged_and_never_present(plasma: Plasma, calls: dict[Site, Call]) -> None:
    carried = {
        (snp.chrom, snp.pos, snp.ref, snp.alt)
        for snp, genotype in zip(plasma.genome.snps, plasma.patient.genotypes, strict=True)
        if genotype and plasma.panel.covers(snp.chrom, snp.pos)
    }
    found = {site for site, call in calls.items() if not call.tracked}
    assert carried and found == carried
    for site in carried:
        assert calls[site].state is CallState.NOT_EVALUABLE and GERMLINE in calls[site].filter


def test_the_same_plasma_gives_the_same_calls(plasma: Plasma, plasma_counts: MoleculeCounts) -> None:
    again = count_molecules(plasma.bam, plasma.panel, fasta_reference(plasma.genome.fasta), Settings())
    background = estimate_background(again, Settings())
    first = call_variants(plasma_counts, plasma.panel, background, plasma.tracked, Settings())
    assert call_variants(again, plasma.panel, background, plasma.tracked, Settings()) == first


def test_a_failed_plasma_keeps_its_numbers_and_says_nothing(plasma: Plasma, plasma_counts: MoleculeCounts) -> None:
    background = read_background(plasma.background, Settings())
    found = call_variants(plasma_counts, plasma.panel, background, plasma.tracked, Settings(), evaluable=False)
    assert {call.state for call in found} == {CallState.NOT_EVALUABLE, CallState.NOT_ASSAYED}
    present = by_site(found)[site_of(plasma, "PIK3CA", "p.H1047R")]
    assert present.filter == SAMPLE_QC and present.vaf is not None and present.vaf > 0.03


def test_without_a_tracked_list_the_same_variants_are_found_anew_with_the_panels_gene(
    plasma: Plasma, plasma_counts: MoleculeCounts
) -> None:
    background = read_background(plasma.background, Settings())
    found = by_site(call_variants(plasma_counts, plasma.panel, background, NOTHING, Settings()))
    for gene, change in (("PIK3CA", "p.H1047R"), ("ESR1", "p.D538G"), ("RB1", "p.E137fs")):
        call = found[site_of(plasma, gene, change)]
        assert (call.state, call.tracked, call.gene, call.hgvsp_short) == (CallState.PRESENT, False, gene, "")


def test_absence_is_claimed_only_with_depth(plasma: Plasma, tmp_path: Path) -> None:
    truth, patient = truth_of(plasma.genome, {("ESR1", "p.D538G"): 0.2})
    (file,) = twin.write(
        truth, patient, plasma.genome, plasma.bed, tmp_path, np.random.default_rng(1), unique_depth=250
    )
    counts = count_molecules(tmp_path / file.file, plasma.panel, fasta_reference(plasma.genome.fasta), Settings())
    background = read_background(plasma.background, Settings())
    found = by_site(call_variants(counts, plasma.panel, background, plasma.tracked, Settings()))
    assert found[site_of(plasma, "ESR1", "p.D538G")].state is CallState.PRESENT
    silent = found[site_of(plasma, "KRAS", "p.G12D")]
    assert silent.state is CallState.NOT_EVALUABLE
    assert silent.lod95_vaf is not None and silent.lod95_vaf > Settings().excluded_vaf
    assert CallState.ABSENT not in {call.state for call in found.values()}
    lenient = Settings(excluded_vaf=0.05)
    again = by_site(call_variants(counts, plasma.panel, background, plasma.tracked, lenient))
    assert again[site_of(plasma, "KRAS", "p.G12D")].state is CallState.ABSENT


# --- Rules one by one ---


def test_a_site_whose_reference_allele_is_not_the_genomes_is_refused(
    plasma: Plasma, plasma_counts: MoleculeCounts
) -> None:
    wrong = plasma.tracked[plasma.tracked["gene"] == "ESR1"].head(1).assign(ref="N")
    with pytest.raises(InputError, match="E_REF_MISMATCH"):
        call_variants(plasma_counts, plasma.panel, Background({}, "in_sample"), wrong, Settings())


def test_a_block_substitution_is_not_evaluable_rather_than_absent(
    plasma: Plasma, plasma_counts: MoleculeCounts
) -> None:
    chrom, pos, ref, _ = site_of(plasma, "ESR1", "p.D538G")
    block = ref + plasma.genome.sequence(chrom)[pos]
    sites = pd.DataFrame([(chrom, pos, block, "TT", "ESR1", "p.X", None)], columns=list(TRACKED_COLUMNS))
    background = read_background(plasma.background, Settings())
    call = by_site(call_variants(plasma_counts, plasma.panel, background, sites, Settings()))[chrom, pos, block, "TT"]
    assert (call.state, call.filter) == (CallState.NOT_EVALUABLE, NOT_SHORT)


@pytest.mark.parametrize(
    ("evidence", "biased"),
    [
        (Evidence(1000, 1000, 6, 0), True),
        (Evidence(1000, 1000, 0, 6), True),
        (Evidence(1000, 1000, 5, 1), False),
        (Evidence(1000, 1000, 5, 0), False),  # too few to ask
        (Evidence(2000, 0, 30, 0), False),  # an amplicon reads one strand only
        (Evidence(1900, 100, 12, 0), False),  # the other strand could hardly show it
    ],
)
def test_a_variant_must_show_on_both_strands_where_both_could_show_it(evidence: Evidence, biased: bool) -> None:
    assert one_strand_only(evidence, Settings()) == biased


def test_a_one_stranded_artefact_is_not_present(plasma: Plasma, plasma_counts: MoleculeCounts) -> None:
    chrom, pos, ref, alt = site_of(plasma, "KRAS", "p.G12D")
    index, region = next(
        (i, one) for i, one in enumerate(plasma_counts.regions) if one is plasma_counts.region_at(chrom, pos)
    )
    counts = region.counts.copy()
    at = pos - 1 - region.start
    counts[0, "ACGT".index(alt), at] += 25
    counts[0, "ACGT".index(ref), at] -= 25
    regions = list(plasma_counts.regions)
    regions[index] = replace(region, counts=counts)
    spoilt = replace(plasma_counts, regions=tuple(regions))
    background = read_background(plasma.background, Settings())
    call = by_site(call_variants(spoilt, plasma.panel, background, plasma.tracked, Settings()))[chrom, pos, ref, alt]
    assert (call.state, call.filter) == (CallState.NOT_EVALUABLE, STRAND)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_benjamini_and_hochberg(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1], abs=1e-12)


def test_untested_members_of_the_family_count_as_tests() -> None:
    padded = benjamini_hochberg([0.001, 0.01, *[1.0] * 8])[:2]
    assert benjamini_hochberg([0.001, 0.01], tests=10) == pytest.approx(padded)
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize(("column", "cell"), [("pos", "1.5"), ("ref", "R"), ("alt", "<DEL>"), ("lof", "maybe")])
def test_a_broken_list_of_tracked_sites_is_refused_with_row_and_column(tmp_path: Path, column: str, cell: str) -> None:
    good = dict(zip(TRACKED_COLUMNS, ("chr1", "5", "A", "T", "G1", "p.A1B", "false"), strict=True))
    path = tmp_path / "sites.csv"
    pd.DataFrame([good, {**good, column: cell}]).to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_tracked_sites(path)
    assert (error.value.code, error.value.row, error.value.column) == ("E_SCHEMA", 3, column)
    assert cell not in str(error.value)
