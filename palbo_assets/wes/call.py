"""Somatic variants of one tumour specimen: found in its alignments, joined with what the lab's callers say.

Where alignments are there, our own counts decide, also for variants that only a caller saw. Where only a caller's
file is there, its counts do. A caller that looked at a variant and rejected it is heeded, except at known hotspots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palbo_assets.genomics.allele_counts import Evidence
from palbo_assets.genomics.alleles import Fetch, Variant, homopolymer_length
from palbo_assets.genomics.bam import as_bam
from palbo_assets.genomics.bgzf import bam_header
from palbo_assets.genomics.consequence import (
    MAF_CLASSES,
    Consequence,
    annotate,
    read_transcripts,
)
from palbo_assets.genomics.hotspots import Hotspots, read_hotspots
from palbo_assets.genomics.regions import merged, read_bed, reference
from palbo_assets.genomics.site_lists import Mask, listed_alleles, population_frequencies
from palbo_assets.wes import candidates, somatic_filter
from palbo_assets.wes.callers import SampleCounts, read_vcf
from palbo_assets.wes.consensus import Electorate, agreed
from palbo_assets.wes.lab_annotation import LabAnnotation, agreement
from palbo_assets.wes.maf import read_maf
from palbo_assets.wes.settings import Settings


@dataclass(frozen=True)
class References:
    """The study's reference files; None where the bundle lacks one."""

    fasta: Path | None = None
    targets: Path | None = None
    gff3: Path | None = None
    transcripts: Path | None = None
    hotspots: Path | None = None
    panel_of_normals: Path | None = None
    population_af: Path | None = None
    blacklist: Path | None = None
    mappability: Path | None = None

    def contigs(self) -> dict[str, int]:
        """Contig -> length in bases from the FASTA's index; empty without a FASTA."""
        import pysam

        if self.fasta is None:
            return {}
        with pysam.FastaFile(str(self.fasta)) as opened:
            return dict(zip(opened.references, opened.lengths, strict=True))


@dataclass(frozen=True)
class Specimen:
    """Files of one tumour specimen and the patient's normal."""

    tumour: Path | None = None
    normal: Path | None = None
    vcfs: Sequence[tuple[Path, str]] = ()  # (file, sample name or empty)
    mafs: Sequence[tuple[Path, str]] = ()


@dataclass
class _Seen:
    """All that is known of one variant while it is put together."""

    sources: set[str] = field(default_factory=set)
    caller_filters: list[str] = field(default_factory=list)
    passing: set[str] = field(default_factory=set)  # callers that believe in it
    tumour: Evidence | None = None
    normal: Evidence | None = None
    from_caller: tuple[SampleCounts, SampleCounts | None] | None = None
    consequence: Consequence | None = None
    of_lab: Consequence | None = None

    def take_over(self, part: _Seen | None) -> None:
        """Join what callers said of one base of this variant."""
        if part is not None:
            self.sources |= part.sources
            self.caller_filters += part.caller_filters
            self.passing |= part.passing


@dataclass(frozen=True)
class Calls:
    """Rows of ``somatic_calls`` (without patient, timepoint and specimen) and how many germline variants left."""

    rows: list[dict[str, Any]]
    n_germline: int


def call_specimen(specimen: Specimen, references: References, settings: Settings, workdir: Path) -> Calls:
    """Candidate variants of a specimen with evidence, consequence and filter, in genome order.

    Raises
    ------
    InputError
        What reading the specimen's files raises.
    """
    pinned = read_transcripts(references.transcripts) if references.transcripts else {}
    hotspots = read_hotspots(references.hotspots) if references.hotspots else Hotspots()
    contigs = references.contigs()
    seen: dict[Variant, _Seen] = {}
    electorate = Electorate()
    homopolymers: dict[Variant, int] = {}
    with ExitStack() as stack:
        fetch = stack.enter_context(reference(references.fasta)) if references.fasta else None
        proposed: list[Variant] = []
        tumour = normal = None
        if fetch is not None and specimen.tumour is not None:
            tumour = as_bam(specimen.tumour, workdir, references.fasta)
            normal = as_bam(specimen.normal, workdir, references.fasta) if specimen.normal else None
        if fetch is not None and tumour is not None and references.targets is not None:
            regions = merged(read_bed(references.targets), bam_header(tumour).contigs, settings.target_padding)
            proposed = candidates.propose(tumour, regions, fetch, settings)
            electorate.add_source("bam")
        _from_callers(specimen, contigs, fetch, pinned, settings, set(proposed), seen, electorate)
        if fetch is not None and tumour is not None:
            _count(tumour, normal, proposed, fetch, settings, seen)
        if fetch is not None:
            homopolymers = {one: homopolymer_length(one, fetch) for one in seen if one.kind in ("ins", "del")}
    if specimen.tumour is None or references.fasta is None:
        for known in seen.values():
            _take_caller_counts(known)
    inherited = [variant for variant, known in seen.items() if somatic_filter.is_germline(known.normal, settings)]
    # A large clone of blood cells looks inherited by its fraction alone: its gene, known below, decides.
    perhaps = {variant for variant in inherited if somatic_filter.is_clone(seen[variant].normal, settings)}
    for variant in inherited:
        if variant not in perhaps:
            del seen[variant]
    if references.gff3 is not None and references.fasta is not None:
        found = annotate(seen, contigs, references.fasta, references.gff3, pinned, workdir)
        for variant, consequence in found.items():
            seen[variant].consequence = consequence
    else:
        for known in seen.values():
            known.consequence = known.of_lab
    clones = {one for one in perhaps if (seen[one].consequence or Consequence()).gene in settings.chip_genes}
    for variant in perhaps - clones:
        del seen[variant]
    known_of = _known_reasons(seen, references, settings)
    order = {name: index for index, name in enumerate(contigs)}
    listed = sorted(seen, key=lambda one: (order.get(one.chrom, len(order)), *one))
    return Calls(
        [
            _row(
                one,
                seen[one],
                hotspots,
                homopolymers.get(one, 0),
                known_of[one],
                specimen,
                settings,
                electorate.asked(one),
            )
            for one in listed
        ],
        len(inherited) - len(clones),
    )


def _from_callers(
    specimen: Specimen,
    contigs: Mapping[str, int],
    fetch: Fetch | None,
    pinned: Mapping[str, str],
    settings: Settings,
    proposed: set[Variant],
    seen: dict[Variant, _Seen],
    electorate: Electorate,
) -> None:
    def add(variant: Variant, source: str, filters: str, passed: bool, counts: Any, effect: Consequence | None) -> None:
        weak = counts[0].alt is not None and counts[0].alt < settings.candidate_alt_reads
        if variant not in seen and variant not in proposed and not passed and weak:
            return  # a caller's own reject that no threshold of ours could ever take
        known = seen.setdefault(variant, _Seen())
        known.sources.add(source)
        known.caller_filters.append(filters)
        if passed:
            known.passing.add(source)
        known.from_caller = known.from_caller or counts
        known.of_lab = known.of_lab or effect

    for path, name in specimen.vcfs:
        found = read_vcf(path, reference_contigs=contigs, fetch=fetch, tumour_sample=name)
        electorate.add(found.described, found.records)
        annotation = LabAnnotation(found.header)
        for record in found.records:
            counts = (record.tumour, record.normal)
            effect = annotation.of(record, pinned)
            add(record.variant, found.caller, record.objection, record.passed, counts, effect)
    for path, name in specimen.mafs:
        electorate.add_source("maf")
        for row in read_maf(path, reference_contigs=contigs, fetch=fetch, sample_name=name):
            passed = row.filter in ("PASS", ".", "")
            add(row.variant, "maf", row.filter, passed, (row.tumour, row.normal), row.consequence)


def _count(
    tumour: Path,
    normal: Path | None,
    proposed: Iterable[Variant],
    fetch: Fetch,
    settings: Settings,
    seen: dict[Variant, _Seen],
) -> None:
    """Count in both samples what the reads propose and what callers saw; proposals below the limits leave."""
    in_tumour = candidates.count(tumour, [*proposed, *seen], fetch, settings)
    found = candidates.settle({variant: in_tumour[variant] for variant in proposed}, settings)
    for variant in found:
        known = seen.setdefault(variant, _Seen())
        known.sources.add("bam")
        if variant.kind == "mnv":
            # A caller that writes neighbours apart saw the same change.
            for part in candidates.components(variant):
                known.take_over(seen.pop(part, None))
    in_normal = candidates.count(normal, seen, fetch, settings) if normal is not None else {}
    for variant, known in seen.items():
        known.tumour, known.normal = in_tumour[variant], in_normal.get(variant)


def _known_reasons(
    variants: Collection[Variant], references: References, settings: Settings
) -> dict[Variant, frozenset[str]]:
    """What lists of places and alleles say against each variant; a list that isn't there says nothing."""
    reasons: dict[Variant, set[str]] = {variant: set() for variant in variants}
    if references.blacklist is not None:
        mask = Mask(references.blacklist)
        for variant in variants:
            if mask.holds(variant.chrom, variant.pos):
                reasons[variant].add("blacklist")
    if references.mappability is not None:
        mask = Mask(references.mappability)
        for variant in variants:
            if not mask.holds(variant.chrom, variant.pos):
                reasons[variant].add("low_mappability")
    if references.panel_of_normals is not None:
        for variant in listed_alleles(references.panel_of_normals, variants):
            reasons[variant].add("panel_of_normals")
    if references.population_af is not None:
        for variant, frequency in population_frequencies(references.population_af, variants).items():
            if frequency > settings.max_population_af:
                reasons[variant].add("population")
    return {variant: frozenset(found) for variant, found in reasons.items()}


def _take_caller_counts(known: _Seen) -> None:
    if known.from_caller is not None and known.tumour is None:
        known.tumour = _as_evidence(known.from_caller[0])
        known.normal = _as_evidence(known.from_caller[1])


def _as_evidence(counts: SampleCounts | None) -> Evidence | None:
    if counts is None or counts.depth is None or counts.alt is None:
        return None
    return Evidence(counts.depth, counts.alt, 0, 0, counts.alt_forward or 0, counts.alt_reverse or 0)


def _row(
    variant: Variant,
    known: _Seen,
    hotspots: Hotspots,
    homopolymer: int,
    listed: frozenset[str],
    specimen: Specimen,
    settings: Settings,
    asked: frozenset[str],
) -> dict[str, Any]:
    effect = known.consequence or Consequence()
    lab = known.of_lab or Consequence(consequence="")
    hotspot = hotspots.hold(variant, effect.gene, effect.hgvsp_short, effect.consequence if known.consequence else None)
    indel = variant.kind in ("ins", "del", "complex")
    verdict = somatic_filter.somatic_filter(
        known.tumour,
        known.normal,
        settings,
        hotspot=hotspot,
        indel=indel,
        homopolymer=homopolymer,
        variant=variant,
        known=listed,
        chip_gene=effect.gene in settings.chip_genes,
    )
    passing = frozenset(known.passing | ({"bam"} & asked if verdict == somatic_filter.PASS else set()))
    objection = ""
    if known.caller_filters and not known.passing:
        objection = "caller_filter"
    elif not agreed(passing, asked, settings.min_callers):
        objection = "caller_consensus"
    if objection and not hotspot:
        verdict = objection if verdict == somatic_filter.PASS else f"{verdict};{objection}"
    tumour, normal = known.tumour, known.normal
    from_bam = tumour is not None and (tumour.alt_forward + tumour.alt_reverse == tumour.alt)
    return {
        **variant._asdict(),
        "gene": effect.gene,
        "transcript_id": effect.transcript_id,
        # A lab's MAF may use classes of its own; those stay null.
        "consequence": effect.consequence if known.consequence and effect.consequence in MAF_CLASSES else None,
        "hgvsp_short": effect.hgvsp_short,
        "lof": effect.lof,
        "hotspot": hotspot,
        "t_depth": tumour.depth if tumour else None,
        "t_alt": tumour.alt if tumour else None,
        "t_vaf": tumour.vaf if tumour else None,
        "t_alt_forward": tumour.alt_forward if tumour and from_bam else None,
        "t_alt_reverse": tumour.alt_reverse if tumour and from_bam else None,
        "n_depth": normal.depth if normal else None,
        "n_alt": normal.alt if normal else None,
        "t_alt_f1r2": tumour.alt_f1r2 if tumour and from_bam else None,
        "t_alt_f2r1": tumour.alt_f2r1 if tumour and from_bam else None,
        "t_lod": somatic_filter.tumour_lod(tumour) if tumour else None,
        "p_value": somatic_filter.somatic_p(tumour, normal) if tumour and normal else None,
        "filter": verdict,
        "caller_filter": ";".join(sorted(set(known.caller_filters))) if known.caller_filters else None,
        "source": "+".join(sorted(known.sources)),
        "callers_passing": len(passing),
        "callers_asked": len(asked),
        "lab_gene": lab.gene,
        "lab_transcript_id": lab.transcript_id,
        "lab_consequence": lab.consequence if lab.consequence in MAF_CLASSES else None,
        "lab_hgvsp_short": lab.hgvsp_short,
        "lab_agreement": agreement(known.consequence, known.of_lab),
        "forced": False,
        "evaluable": tumour is not None
        and normal is not None
        and tumour.depth >= settings.min_tumour_depth
        and normal.depth >= settings.min_normal_depth,
    }
