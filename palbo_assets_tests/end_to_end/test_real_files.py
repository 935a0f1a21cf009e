"""Real third-party files of every modality pass through the landing into their tables.

Nobody of this project wrote the files. Each modality states at least one number that is known of its files from
elsewhere, and where a room can't take a real file, the receipt that the lab gets is asserted instead.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from palbo_assets_tests.end_to_end import real_deliveries
from palbo_assets_tests.end_to_end.real_deliveries import Sent, Site, at_home

pytestmark = [pytest.mark.end_to_end]

Founder = Callable[..., Site]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Founder]:
    """Founds installations that the definitions of this process find; the newest one is where they look."""
    with pytest.MonkeyPatch.context() as patch:
        sites = []

        def make(**options: object) -> Site:
            site = Site(tmp_path_factory.mktemp("site") / "home", **options)  # type: ignore[arg-type]
            at_home(site.home, patch)
            sites.append(site)
            return site

        yield make
        for site in sites:
            site.close()


def everything_ran(site: Site) -> None:
    assert site.runs
    assert [run.problems for run in site.runs if not run.success] == []


# --- exomes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hcc1143(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, found: Founder) -> Site:
    """HCC1143 and its matched normal, 7 kb of chromosome 11, with Mutect2's raw calls."""
    folder = shared_data / "wes_somatic" / "hcc1143_wgs_chr11_slice"
    references = tmp_path_factory.mktemp("references")
    (references / "targets.bed").write_text("chr11\t530000\t537000\n")
    site = found(
        build="GRCh38",
        references={
            "genome_fasta": folder / "tiny-grch38-chr11-530001-537000.fa",
            "target_bed": references / "targets.bed",
            "snp_bed": real_deliveries.snp_bed(
                folder / "tiny-chr11-exac_common_3.hg38.vcf.gz", references / "snps.bed", ("chr11", 530000, 537000)
            ),
        },
    )
    tumour, normal = sorted(folder.glob("*.bam"), key=lambda path: path.name)
    site.deliver(
        "core/exome",
        [
            Sent(tumour, "wes", "PALBO-001", "BL", "HCC1143", row={"role": "tumour_bam", "genome_build": "GRCh38"}),
            Sent(normal, "wes", "PALBO-001", "BL", "HCC1143-BL", row={"role": "normal_bam", "genome_build": "hg38"}),
            Sent(folder / "HCC1143.mutect2.vcf.gz", "wes", "PALBO-001", "BL", "HCC1143"),
        ],
    )
    return site.ingest(only=["wes", "ctdna"])


def test_a_real_tumour_normal_pair_is_measured_and_called(hcc1143: Site) -> None:
    everything_ran(hcc1143)
    assert {entry["status"] for entry in hcc1143.receipt("core/exome").values()} == {"ACCEPTED"}
    (quality,) = hcc1143.table("read_qc").to_dict("records")
    assert quality["reads"] == 9878
    assert quality["mapped_pct"] == pytest.approx(100 * 5483 / 9878)  # samtools flagstat
    assert quality["duplicate_pct"] == pytest.approx(100 * 646 / 5483)
    assert quality["normal_mean_depth"] > quality["tumour_mean_depth"] > 40
    assert (quality["verdict"], "mapped_pct" in quality["reason"]) == ("fail", True)


def test_too_few_common_sites_make_identity_not_evaluable_with_its_reason(hcc1143: Site) -> None:
    (identity,) = hcc1143.table("sample_identity").to_dict("records")
    assert identity["verdict"] == "not_evaluable"
    assert identity["n_sites"] == 2  # rs41258054 and rs12628 are the common sites of the slice
    assert identity["reason"] and identity["reason"] != "E_REFERENCE_MISSING"


def test_mutect2s_only_raw_call_is_found_in_the_reads_and_not_passed_for_what_the_normal_shows(hcc1143: Site) -> None:
    calls = hcc1143.table("somatic_calls")
    (call,) = calls[calls["source"] == "bam+mutect2"].to_dict("records")
    assert (call["chrom"], call["pos"], call["ref"], call["alt"]) == ("chr11", 531138, "C", "G")
    assert call["t_vaf"] == pytest.approx(0.169, abs=0.03)  # Mutect2: 11 of 67; it reassembles, here reads are counted
    assert call["filter"] == "normal_evidence"
    assert (calls["filter"] == "PASS").sum() == 2  # the two that docs/wes.md owns up to
    counted = hcc1143.table("patient_genotypes")
    assert sorted(counted.loc[counted["sample_kind"] == "tumour", "pos"]) == [530922, 531063]


def test_strelkas_calls_and_the_reads_behind_them_become_one_table(
    shared_data: Path, found: Founder, tmp_path: Path
) -> None:
    folder = shared_data / "wes_somatic" / "strelka_demo"
    (tmp_path / "targets.bed").write_text("demo20\t0\t5000\n")
    references = {"genome_fasta": folder / "demo20.fa", "target_bed": tmp_path / "targets.bed"}
    site = found(build="demo20", references=references)
    site.deliver(
        "core/pair",
        [
            Sent(folder / "NA12891_demo20.bam", "wes", "PALBO-001", "PD", "T", row={"role": "tumour_bam"}),
            Sent(folder / "NA12892_demo20.bam", "wes", "PALBO-001", "BL", "N", row={"role": "normal_bam"}),
            Sent(folder / "somatic.snvs.vcf.gz", "wes", "PALBO-001", "PD", "T"),
            Sent(folder / "somatic.indels.vcf.gz", "wes", "PALBO-001", "PD", "T"),
        ],
    )
    site.ingest(only=["wes"])
    everything_ran(site)
    assert site.facts("somatic.snvs.vcf.gz")["records"] == 17
    assert site.facts("somatic.snvs.vcf.gz")["passed"] == 16
    assert site.facts("somatic.indels.vcf.gz")["passed"] == 2
    calls = site.table("somatic_calls")
    passed_by_strelka = calls[calls["caller_filter"] == "PASS"]
    assert len(passed_by_strelka) == 18
    assert (passed_by_strelka["source"] == "bam+strelka2").all()
    assert (calls["filter"] == "PASS").sum() == 13
    assert passed_by_strelka.loc[passed_by_strelka["filter"] != "PASS", "filter"].str.contains("low_tumour_depth").all()


@pytest.mark.parametrize(("caller", "passing", "true"), [("MuTect2", 119, 118), ("VarDict", 120, 118)])
def test_callers_files_keep_their_true_positives_in_the_table(
    shared_data: Path, found: Founder, caller: str, passing: int, true: int
) -> None:
    """124 planted mutations: MuTect2 passes 119 calls (118 true), VarDict 127 (120 true), of which ours keep 120."""
    folder = shared_data / "wes_somatic" / "somaticseq_callers_vs_truth"
    planted = {
        (chrom, int(pos), ref, alt)
        for line in (folder / "Varsim.somatic.truth.vcf").read_text().splitlines()
        if not line.startswith("#")
        for chrom, pos, _, ref, alt, *_ in [line.split("\t")]
    }
    site = found(build="tiny", references={"genome_fasta": folder / "tiny.fa"})
    file = folder / "paired_example" / f"{caller}.vcf.gz"
    site.deliver("core/calls", [Sent(file, "wes", "PALBO-001", "BL", "T")])
    site.ingest(only=["wes"])
    everything_ran(site)
    calls = site.table("somatic_calls")
    assert set(calls["source"]) == {caller.lower()}
    passed = calls[calls["filter"] == "PASS"]
    found_true = planted & set(zip(passed["chrom"], passed["pos"], passed["ref"], passed["alt"], strict=True))
    assert len(planted) == 124
    assert (len(passed), len(found_true)) == (passing, true)


def test_a_real_maf_and_real_segments_are_taken_and_others_are_refused_by_column(
    shared_data: Path, found: Founder
) -> None:
    wes = shared_data / "wes_somatic"
    site = found(build="GRCh37")
    site.deliver(
        "core/maf",
        [
            Sent(wes / "maf/brca.maf.gz", "wes", "PALBO-001", "BL", "T1"),
            Sent(wes / "cnv_cnvkit/p2-9_2.call.cns", "wes", "PALBO-001", "BL", "T1"),
            Sent(wes / "cnv_cnvkit/p2-9_2.cnr", "wes", "PALBO-001", "BL", "T1"),
            Sent(wes / "maf/TCGA.AB.3009.hg19.seg.txt", "wes", "PALBO-003", "BL", "T3", row={"role": "segments"}),
            Sent(wes / "maf/tcga_laml.maf.gz", "wes", "PALBO-002", "BL", "T2"),
            Sent(wes / "vcf2maf/test_b38_output.maf", "wes", "PALBO-004", "BL", "T4"),
        ],
    )
    site.ingest(only=["wes"])
    everything_ran(site)
    refused = {file: entry for file, entry in site.receipt("core/maf").items() if entry["status"] != "ACCEPTED"}
    assert {file: (entry["reason"], entry["column"]) for file, entry in refused.items()} == {
        "tcga_laml.maf.gz": ("E_SAMPLE_MISMATCH", "Tumor_Sample_Barcode"),
        "test_b38_output.maf": ("E_BUILD_MISMATCH", "NCBI_Build"),
    }
    assert site.facts("TCGA.AB.3009.hg19.seg.txt")["segments"] == 818
    calls = site.table("somatic_calls")
    with gzip.open(wes / "maf/brca.maf.gz", "rt") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert len(calls) == len(rows) == 1913
    assert Counter(calls["gene"].dropna()) == Counter(row["Hugo_Symbol"] for row in rows)
    # The TCGA MAF states no counts, and no reads were delivered: nothing is said to be evaluated.
    assert set(calls["filter"]) == {"not_countable"} and calls["t_vaf"].isna().all() and not calls["evaluable"].any()


# --- expression -----------------------------------------------------------------------------------------------------

LYMPHOBLASTOID = "rnaseq: {detected_genes_min: 10000, assigned_reads_min: 24000000}\n"


@pytest.fixture(scope="module")
def transcriptomes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, found: Founder) -> Site:
    """One cell line by salmon and by RSEM, and gene counts of STAR and HTSeq, with Hallmark sets and UNC's PAM50."""
    rna = shared_data / "rna"
    folder = tmp_path_factory.mktemp("references")
    site = found(
        build="GRCh38",
        references={
            "gene_sets": shared_data / "reference" / "genesets" / "h.all.v7.0.symbols.gmt",
            **real_deliveries.pam50(rna / "pam50_unc", folder),
        },
    )
    # The limits of the study are those of breast biopsies; these are lymphoblastoid cells, and fewer genes speak.
    site.home.settings_file.write_text(LYMPHOBLASTOID)
    site.deliver(
        "core/rna",
        [
            Sent(rna / "tximport/salmon/ERR188021/quant.sf", "rnaseq", "PALBO-001", "BL", "ERR188021"),
            Sent(rna / "tximport/rsem/ERR188021/ERR188021.genes.results", "rnaseq", "PALBO-002", "BL", "RSEM"),
            Sent(rna / "qc_multiqc/ERR458837_subsamp_1ReadsPerGene.out.tab", "rnaseq", "PALBO-003", "BL", "STAR"),
            Sent(rna / "qc_multiqc/counts.tsv", "rnaseq", "PALBO-004", "BL", "HTSEQ", row={"role": "gene_counts"}),
            Sent(rna / "tximport/tx2gene.csv", "rnaseq"),
        ],
    )
    return site.ingest(only=["rnaseq"])


def test_four_quantifiers_files_become_expression_of_every_gene(transcriptomes: Site, shared_data: Path) -> None:
    everything_ran(transcriptomes)
    assert {entry["status"] for entry in transcriptomes.receipt("core/rna").values()} == {"ACCEPTED"}
    quality = transcriptomes.table("rna_qc").set_index("specimen_id")
    assert quality["tool"].to_dict() == {"ERR188021": "salmon", "RSEM": "rsem", "STAR": "star", "HTSEQ": "htseq"}
    expression = transcriptomes.table("expression")
    genes = expression.groupby("specimen_id").size()
    # Lines of the files, as the collection lists them, less the header (RSEM) and the summary lines (STAR, HTSeq).
    assert genes.to_dict() == {"ERR188021": 25343, "RSEM": 25344 - 1, "STAR": 57777 - 4, "HTSEQ": 49774 - 6}
    salmon = pd.read_csv(shared_data / "rna/tximport/salmon/ERR188021/quant.sf", sep="\t")
    assert quality.loc["ERR188021", "assigned_reads"] == pytest.approx(salmon["NumReads"].sum())
    sums = expression.groupby("specimen_id")["tpm"].sum(min_count=1)
    assert sums["ERR188021"] == pytest.approx(1e6) and sums["RSEM"] == pytest.approx(1e6, rel=1e-5)
    assert pd.isna(sums["STAR"]) and pd.isna(sums["HTSEQ"])


def test_salmon_and_rsem_of_one_library_agree(transcriptomes: Site) -> None:
    import numpy as np

    tpm = transcriptomes.table("expression").pivot_table(index="gene_id", columns="specimen_id", values="tpm")
    both = np.log2(tpm[["ERR188021", "RSEM"]].astype(float) + 1)
    assert both.corr().iloc[0, 1] > 0.98
    scores = transcriptomes.table("expression_signatures")
    hallmark = scores[scores["signature"].str.startswith("HALLMARK_")]
    wide = hallmark.pivot_table(index="signature", columns="specimen_id", values="score").astype(float)
    # MSigDB's fifty, and E2F targets without CCNE1.
    assert wide[["ERR188021", "RSEM"]].notna().all().all() and len(wide) == 51
    assert wide[["ERR188021", "RSEM"]].corr().iloc[0, 1] > 0.98


def test_subtype_is_called_on_frozen_medians_and_only_from_tpm(transcriptomes: Site) -> None:
    subtypes = transcriptomes.table("intrinsic_subtype").set_index("specimen_id")
    for specimen in ("ERR188021", "RSEM"):
        row = subtypes.loc[specimen]
        assert row["status"] == "OBSERVED" and row["genes_used"] == 50
    assert subtypes.loc["ERR188021", "subtype"] == subtypes.loc["RSEM", "subtype"]
    assert subtypes.loc[["STAR", "HTSEQ"], "subtype"].isna().all()
    assert subtypes.loc[["STAR", "HTSEQ"], "reason"].str.contains("LOW_ASSIGNED_READS").all()


# --- plasma ---------------------------------------------------------------------------------------------------------

# The fractions that the provider of the reference DNA's 1 % mix measured in families of three reads and more.
STATED_VAF = {
    ("chr17", 7673802, "C", "T"): 0.0146,
    ("chr17", 7674220, "C", "T"): 0.0102,
    ("chr3", 179234297, "A", "G"): 0.0099,
    ("chr4", 54733155, "A", "T"): 0.0079,
}
AMPLICONS = (
    "chr17\t7673740\t7673820\tTP53\nchr17\t7674185\t7674270\tTP53\nchr3\t179199128\t179199185\tPIK3CA\n"
    "chr3\t179234260\t179234320\tPIK3CA\nchr4\t54733130\t54733195\tKIT\n"
)


@pytest.fixture(scope="module")
def plasma(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, found: Founder) -> Site:
    """UMIErrorCorrect's consensus reads of a 1 % mix and of wild-type DNA, on the bases that its tables state."""
    folder = shared_data / "umi_ctdna" / "umierrorcorrect_1pct_vs_wt"
    samples = {name: folder / name / f"{name}_consensus_reads.bam" for name in ("VAF-1-5ng-1-10x", "WT-5ng-1-10x")}
    references = tmp_path_factory.mktemp("references")
    sites = "\n".join(f"{chrom},{pos},{ref},{alt},,,false" for chrom, pos, ref, alt in STATED_VAF)
    (references / "hotspot_sites.csv").write_text(f"chrom,pos,ref,alt,gene,hgvsp_short,lof\n{sites}\n")
    genome = real_deliveries.masked_genome(
        references / "genome.fa.gz", samples["WT-5ng-1-10x"], [folder / name / f"{name}.cons" for name in samples]
    )
    site = found(build="GRCh38", references={"genome_fasta": genome, "hotspot_sites": references / "hotspot_sites.csv"})
    mix, wild_type = samples.values()
    site.deliver(
        "plasma/run1",
        [
            Sent(mix, "ctdna", "PALBO-001", "BL", "MIX", row={"panel_version": "v1"}),
            Sent(wild_type, "ctdna", "PALBO-002", "BL", "WT", row={"panel_version": "v1"}),
            Sent(AMPLICONS, "ctdna", name="amplicons.bed", row={"panel_version": "v1"}),
            Sent(folder / "simple.bed", "ctdna", row={"panel_version": "v0"}),
        ],
    )
    return site.ingest(only=["ctdna"])


def test_the_four_alleles_of_a_real_one_percent_mix_are_found_and_none_in_wild_type(plasma: Site) -> None:
    everything_ran(plasma)
    calls = plasma.table("ctdna_calls")
    for specimen in ("MIX", "WT"):
        rows = calls[calls["specimen_id"] == specimen]
        known = {
            site: rows[(rows["chrom"] == site[0]) & (rows["pos"] == site[1]) & (rows["alt"] == site[3])].iloc[0]
            for site in STATED_VAF
        }
        for site, stated in STATED_VAF.items():
            if specimen == "MIX":
                assert known[site]["vaf"] == pytest.approx(stated, abs=5e-5), site
                assert known[site]["state"] == "PRESENT", site
            else:
                assert known[site]["vaf"] <= 0.0025, site
                assert known[site]["state"] == "ABSENT", site
    states = calls[calls["specimen_id"] == "MIX"].groupby("state").size().to_dict()
    # Beside the four: a target of the lab's own BED, and a base of a run of G that no background table covers.
    found_anew = calls[(calls["state"] == "PRESENT") & ~calls["tracked"].astype(bool)]
    assert sorted(found_anew["pos"]) == [7674229, 7674239] and set(found_anew["specimen_id"]) == {"MIX"}
    assert states["PRESENT"] == 4 + 2


def test_a_bed_that_counts_from_one_is_refused_by_row_and_column(plasma: Site) -> None:
    entry = plasma.receipt("plasma/run1")["simple.bed"]
    assert (entry["status"], entry["reason"], entry["row"], entry["column"]) == ("QUARANTINED", "E_SCHEMA", 1, "end")
    assert "subtract 1 from start" in entry["fix"]


# --- IHC, plates, blood, clinical --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clinic(shared_data: Path, found: Founder) -> Site:
    """IHC cell tables, an ELISA plate, flow cytometry and REDCap projects of five institutions."""
    site = found()
    cells = shared_data / "ihc" / "mihc_cell_tables" / "FIHC4__0929309_HP_IM3_2_cell_seg_data.txt"
    summary = cells.with_name("FIHC4__0929309_HP_IM3_2_cell_seg_data_summary.txt")
    site.deliver(
        "pathology/ihc",
        [
            Sent(cells, "ihc"),
            Sent(summary, "ihc"),
            Sent(real_deliveries.with_patient(cells, "PALBO-001", "BL"), "ihc", name="cells.txt"),
            Sent(real_deliveries.with_patient(summary, "PALBO-002", "BL"), "ihc", name="summary.txt"),
        ],
    )
    site.deliver(
        "immunology/plate",
        [
            Sent(shared_data / "elisa/elisa_softmax/Assay_2.txt", "elisa"),
            Sent(real_deliveries.assay_2_layout(), "elisa", name="layout.csv"),
        ],
    )
    fcs = shared_data / "fcs"
    site.deliver(
        "immunology/blood",
        [
            Sent(fcs / "flowio/100715.fcs", "facs", "PALBO-001", "BL", "BLOOD-1"),
            Sent(real_deliveries.LARGE_EVENTS_GATE, "facs", name="large.xml", row={"role": "gating"}),
            Sent(fcs / "gatingml_suite/data1.fcs", "facs", "PALBO-002", "BL", "BLOOD-2"),
        ],
    )
    redcap = shared_data / "clinical" / "redcap"
    for project in ("longitudinal", "vignette-repeating"):
        site.deliver(
            f"data-management/{project}",
            [
                Sent(redcap / project / "data.csv", "clinical", row={"role": "redcap_export"}),
                Sent(redcap / project / "dictionary.csv", "clinical", row={"role": "redcap_dictionary"}),
            ],
        )
    return site.ingest(only=["histology", "serum", "cytometry"])


def test_inform_tables_without_a_patient_are_refused_and_with_one_are_counted(clinic: Site) -> None:
    everything_ran(clinic)
    for file in ("", "_summary"):
        entry = clinic.receipt("pathology/ihc")[f"FIHC4__0929309_HP_IM3_2_cell_seg_data{file}.txt"]
        assert (entry["reason"], entry["row"], entry["column"]) == ("E_SAMPLE_MISMATCH", 2, "Sample Name")
        assert "PATIENT_TIMEPOINT_MARKER" in entry["fix"]
    readings = clinic.table("ihc_scores")
    for patient in ("PALBO-001", "PALBO-002"):  # from single cells, and from inForm's own summary of them
        counted = readings[readings["patient_id"] == patient].groupby("marker")["n_positive"].sum().to_dict()
        assert (counted["CD20"], counted["CD4"], counted["CD8"]) == (249, 15, 6)
        assert set(readings.loc[readings["patient_id"] == patient, "n_cells"]) == {270}
    densities = clinic.table("til_marker_ihc")
    assert densities["density_mm2"].isna().all()  # inForm gives pixels and not their size
    assert set(densities["status"]) == {"NOT_EVALUABLE"}


def test_a_real_elisa_plate_passes_and_its_concentrations_follow_the_readers(clinic: Site) -> None:
    (plate,) = clinic.table("elisa_plates").to_dict("records")
    assert plate["accepted"]
    assert (plate["n_standards"], plate["n_standards_passing"]) == (7, 7)
    assert (plate["lloq_pg_ml"], plate["uloq_pg_ml"]) == (46.875, 3000.0)
    assert (plate["n_qc"], plate["n_qc_passing"]) == (3, 3)  # SoftMax reads the control as 846.847 pg/mL
    rows = clinic.table("nrg1_elisa").set_index("specimen_id")
    stated = pd.Series(real_deliveries.ASSAY_2_ADJUSTED)
    low = rows["status"] == "BELOW_LLOQ"
    assert sorted(rows.index[low]) == ["P1", "P2", "P3", "P4", "P5"]
    assert rows.loc[low, "concentration_pg_ml"].isna().all() and (rows.loc[low, "censored"] == "<").all()
    assert (rows["lloq_pg_ml"] == 468.75).all()  # of the specimen: the lowest standard times the dilution
    assert stated[rows.index[low]].max() < 468.75
    quantified = rows.loc[~low, "concentration_pg_ml"].astype(float)
    assert quantified.corr(stated[quantified.index], method="spearman") > 0.98
    # The reader's unweighted curve reads its own lowest standard 25 % low; ours agrees where the curve is steep.
    assert quantified["P10"] == pytest.approx(stated["P10"], rel=0.15)
    assert quantified["P15"] == pytest.approx(stated["P15"], rel=0.20)


def test_a_real_blood_sample_is_counted_by_the_labs_own_gate(clinic: Site, shared_data: Path) -> None:
    import flowio
    import numpy as np

    assert clinic.facts("100715.fcs")["events"] == 65016
    (quality,) = clinic.table("facs_qc").to_dict("records")
    assert (quality["events"], bool(quality["compensated"])) == (65016, True)
    # Tandem dyes on neighbouring detectors of one laser: the file's matrix leaves a third of CD19 in CD27.
    assert (quality["verdict"], quality["reasons"]) == ("warn", "residual_spill")
    assert quality["residual_spill_pair"] == "CD19>CD27"
    rows = clinic.table("facs_abundances").set_index("population")
    assert set(rows["gating"]) == {"gatingml"}
    sample = flowio.FlowData(str(shared_data / "fcs/flowio/100715.fcs"))
    events = np.reshape(sample.as_array(preprocess=True), (-1, sample.channel_count))
    scatter = events[:, sample.pnn_labels.index("FSC-A")]
    assert rows.loc["large", "count"] == int((scatter >= real_deliveries.LARGE_FSC).sum())
    assert rows.loc["large", "pct_parent"] == pytest.approx(100 * rows.loc["large", "count"] / 65016)
    assert rows["abs_per_ul"].isna().all()


def test_what_a_cytometer_writes_about_people_stays_in_the_file(shared_data: Path, found: Founder) -> None:
    """The real tube names an operator, a vial, dates of a person's illness: none of it is in anything that was made."""
    tube = shared_data / "fcs/flowio/100715.fcs"
    private = ("Administrator", "17-JUL-2007", "11/09/1999", "04/30/1999", "Specimen_001", "070717_AB02_tb", "Tube_025")
    private += ("25993c124ee2", "Seroconversion", "100715", "Main Aria")
    content = tube.read_bytes()
    assert all(word.encode() in content for word in private)
    site = found()
    row = {"role": "fcs"}
    site.deliver("immunology/tube", [Sent(tube, "facs", "PALBO-001", "W06", "S1", "blood.fcs", row)])
    site.ingest(only={"cytometry"})
    everything_ran(site)
    assert len(site.table("facs_abundances")) > 40 and site.table("facs_qc")["events"].tolist() == [65016]
    looked_at = [path for path in site.home.root.rglob("*") if path.is_file() and path.suffix != ".fcs"]
    assert any(path.name == "receipt.json" for path in looked_at) and any(path.suffix == ".db" for path in looked_at)
    told = {(path.name, word) for path in looked_at for word in private if word.encode() in path.read_bytes()}
    assert told == set()


def test_an_old_instruments_file_and_foreign_redcap_projects_are_refused_with_what_to_do(clinic: Site) -> None:
    assert clinic.verdict("immunology/blood", "data1.fcs") == ("QUARANTINED", "E_PANEL")  # CD8 in two channels
    longitudinal = clinic.receipt("data-management/longitudinal")["data.csv"]
    assert (longitudinal["reason"], longitudinal["row"], longitudinal["column"]) == ("E_PHI_FOUND", 2, "first_name")
    repeating = clinic.receipt("data-management/vignette-repeating")["data.csv"]
    assert (repeating["reason"], repeating["column"]) == ("E_SCHEMA", "consent_date")
    assert "enrolment.consent_date" in repeating["message"]
    # Without its export a dictionary makes nothing due.
    statuses = {
        clinic.verdict(f"data-management/{project}", "dictionary.csv")[0]
        for project in ("longitudinal", "vignette-repeating")
    }
    assert statuses == {"WAITING"}


def test_a_trials_sdtm_domains_become_the_clinical_tables(shared_data: Path, found: Founder) -> None:
    """CDISC's synthetic oncology subjects: 306 of DM, 8 of them with lesions and an investigator's responses."""
    folder = shared_data / "clinical" / "recist_sdtm"
    site = found()
    names = {"sdtm_dm": "dm.csv", **{f"sdtm_{name}": f"{name}_onco_recist.csv" for name in ("tu", "tr", "rs")}}
    site.deliver(
        "data-management/sdtm", [Sent(folder / name, "clinical", row={"role": role}) for role, name in names.items()]
    )
    site.ingest(only=["clinical"])
    everything_ran(site)
    assert {entry["status"] for entry in site.receipt("data-management/sdtm").values()} == {"ACCEPTED"}
    assert len(site.table("patients")) == 306
    visits = site.table("response_visits")
    assert len(visits) == 21 and visits["agrees"].astype(bool).all()
    response = site.table("treatment_response").set_index("patient_id")
    assert response.loc["01-701-1028", ["best_overall_response", "pfs_days"]].tolist() == ["PD", 42]
    queries = site.table("clinical_queries")
    assert set(queries.loc[queries["code"] == "E_BAD_DATE", "patient_id"]) == {"01-701-1015"}


# How many of the conformance suite get their folder's verdict; docs/wes.md says what the others are.
PASSED_ACCEPTED = 15
FAILED_REFUSED = 157

# --- files that are not what they should be -------------------------------------------------------------------------


def test_damaged_files_of_every_kind_end_in_a_receipt_with_a_code_and_never_in_a_traceback(
    shared_data: Path, found: Founder
) -> None:
    def cut(path: str, share: float = 0.6) -> bytes:
        content = (shared_data / path).read_bytes()
        return content[: int(len(content) * share)]

    fcs = shared_data / "fcs" / "instruments_and_malformed"
    hcc = "wes_somatic/hcc1143_wgs_chr11_slice"
    vcf = shared_data / hcc / "HCC1143.mutect2.vcf.gz"
    svs = cut("he_til/wsi/cmu_small_region.svs")
    start = shared_data / "fcs/flowkit/data_start_offset_discrepancy_example.fcs"
    bam = next((shared_data / hcc).glob("8f879c15*.bam")).name
    umi = "umi_ctdna/umierrorcorrect_1pct_vs_wt/VAF-1-5ng-1-10x/VAF-1-5ng-1-10x_consensus_reads.bam"
    sample: dict[str, Any] = {"patient_id": "PALBO-001", "timepoint": "BL"}
    deliveries: dict[str, tuple[Sent, set[str]]] = {
        "corrupted.fcs": (Sent(fcs / "corrupted/corrupted.fcs", "facs", **sample), {"E_SCHEMA"}),
        "sample_header.fcs": (Sent(fcs / "cytek-nl-2000/sample_header.fcs", "facs", **sample), {"E_TRUNCATED"}),
        "other_panel.fcs": (
            Sent(next(fcs.rglob("*Duplicate_Names.fcs")), "facs", name="other_panel.fcs", **sample),
            {"E_PANEL"},
        ),
        "start.fcs": (
            Sent(start, "facs", name="start.fcs", **sample),
            {"E_TRUNCATED"},
        ),
        "cut.fcs": (Sent(cut("fcs/flowio/100715.fcs"), "facs", name="cut.fcs", **sample), {"E_TRUNCATED", "E_SCHEMA"}),
        "cut.bam": (
            Sent(cut(f"{hcc}/{bam}"), "wes", name="cut.bam", row={"role": "normal_bam"}, **sample), {"E_TRUNCATED"},
        ),
        "cut.vcf.gz": (Sent(cut(f"{hcc}/HCC1143.mutect2.vcf.gz"), "wes", name="cut.vcf.gz", **sample), {"E_TRUNCATED"}),
        "cut.maf.gz": (Sent(cut("wes_somatic/maf/brca.maf.gz"), "wes", name="cut.maf.gz", **sample), {"E_TRUNCATED"}),
        "not_a.bam": (
            Sent(vcf, "wes", name="not_a.bam", row={"role": "normal_bam"}, **sample),
            {"E_TRUNCATED", "E_NOT_BGZF", "E_SCHEMA"},
        ),
        "cut_quant.sf": (
            Sent(cut("rna/tximport/salmon/ERR188021/quant.sf"), "rnaseq", name="cut_quant.sf", **sample),
            {"E_TRUNCATED", "E_SCHEMA"},
        ),
        "cut.svs": (Sent(svs, "he_slide", name="cut.svs", **sample), {"E_TRUNCATED", "E_SCHEMA"}),
        "umi.bam": (Sent(cut(umi), "ctdna", name="umi.bam", **sample), {"E_TRUNCATED"}),
        "amplicons.bed": (Sent(AMPLICONS, "ctdna", name="amplicons.bed", row={"panel_version": "v1"}), set()),
        "lost_row.txt": (
            Sent(
                shared_data / "elisa/reader_exports/missing_measurement_table_row.txt", "elisa", name="lost_row.txt",
                row={"sample_name": "P1"},
            ),
            {"E_TRUNCATED"},
        ),
        "P1.csv": (
            Sent(real_deliveries.assay_2_layout("P1"), "elisa", name="P1.csv", row={"sample_name": "P1"}), set(),
        ),
        "P2.csv": (
            Sent(real_deliveries.assay_2_layout("P2"), "elisa", name="P2.csv", row={"sample_name": "P2"}), set(),
        ),
        "cut.xlsx": (
            Sent(cut("elisa/reader_exports/skanit_data.xlsx"), "elisa", name="cut.xlsx", row={"sample_name": "P2"}),
            {"E_SCHEMA", "E_TRUNCATED"},
        ),
    }  # fmt: skip
    site = found()
    site.deliver("lab/damaged", [sent for sent, _ in deliveries.values()])
    site.scan()
    receipt = site.receipt("lab/damaged")
    assert set(receipt) == set(deliveries)
    assert receipt["amplicons.bed"]["status"] == "ACCEPTED"
    for file, (_, codes) in deliveries.items():
        if not codes:  # good files that stand beside damaged ones
            continue
        assert receipt[file]["status"] == "QUARANTINED", receipt[file]
        assert receipt[file]["reason"] in codes, (file, receipt[file]["reason"])
        assert receipt[file]["fix"] and receipt[file]["message"], file
    folder = site.home.landing / "lab/damaged"
    for name in ("receipt.json", "receipt.html"):
        assert "Traceback" not in (folder / name).read_text() and "Error(" not in (folder / name).read_text()


def test_vcf_conformance_files_are_all_judged_and_most_get_the_verdict_of_their_folder(
    shared_data: Path, found: Founder
) -> None:
    """GA4GH's VCF 4.3 and 4.5 suite as somatic calls; several samples are told apart by the manifest's sample_name."""
    suite = shared_data / "conformance" / "vcf_hts_specs"
    expected: dict[str, str] = {}
    files = []
    for number, path in enumerate(sorted(suite.rglob("*.vcf"))):
        name = f"{number:03d}.vcf"
        expected[name] = path.parent.name
        row = {"role": "somatic_vcf", "sample_name": real_deliveries.first_of_several_samples(path)}
        files.append(Sent(path, "wes", "PALBO-001", "BL", f"V{number:03d}", name=name, row=row))
    site = found()
    site.deliver("core/conformance", files)
    site.scan()
    receipt = site.receipt("core/conformance")
    verdicts = {name: receipt[name] for name in expected}
    assert Counter(expected.values()) == {"failed": 224, "passed": 26}
    accepted = Counter(
        expected[name] for name, entry in verdicts.items() if entry["status"] in ("ACCEPTED", "DUPLICATE")
    )
    assert all(entry["reason"] and entry["fix"] for entry in verdicts.values() if entry["status"] == "QUARANTINED")
    assert accepted["passed"] >= PASSED_ACCEPTED
    assert 224 - accepted["failed"] >= FAILED_REFUSED
