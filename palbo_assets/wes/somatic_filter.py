"""Which variant of a tumour is somatic and well enough supported, judged on its evidence beside the normal's.

Near misses stay, with the reasons in the ``filter`` text, so that a threshold can be looked at again later.
"""

from __future__ import annotations

from palbo_assets.genomics.allele_counts import Evidence
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.exact import binomial_at_least, fisher_greater, fisher_two_sided
from palbo_assets.genomics.large_clone import large_clone
from palbo_assets.wes.settings import Settings

PASS = "PASS"
REASONS = (
    "low_tumour_depth",
    "low_alt_reads",
    "low_vaf",
    "low_normal_depth",
    "normal_evidence",
    "clonal_haematopoiesis",
    "not_somatic",
    "weak_evidence",
    "strand_bias",
    "orientation_bias",
    "ffpe",
    "oxog",
    "read_end",
    "homopolymer",
    "no_normal",
    "blacklist",
    "low_mappability",
    "panel_of_normals",
    "population",
    "not_countable",
    "caller_filter",
    "caller_consensus",
)


def is_germline(normal: Evidence | None, settings: Settings) -> bool:
    """Whether the normal itself carries the variant at a germline fraction; such rows identify a person."""
    return (
        normal is not None
        and normal.depth >= settings.min_normal_depth
        and (normal.vaf or 0.0) >= settings.germline_vaf
    )


def is_clone(normal: Evidence | None, settings: Settings) -> bool:
    """Whether the normal shows the variant too rarely for a heterozygous one: in a gene for it, a clone of blood."""
    return normal is not None and large_clone(
        normal.alt,
        normal.depth,
        heterozygous=settings.heterozygous_vaf,
        concentration=settings.heterozygous_concentration,
        alpha=settings.clone_alpha,
    )


def somatic_filter(
    tumour: Evidence | None,
    normal: Evidence | None,
    settings: Settings,
    *,
    hotspot: bool = False,
    indel: bool = False,
    homopolymer: int = 0,
    variant: Variant | None = None,
    known: frozenset[str] = frozenset(),
    chip_gene: bool = False,
) -> str:
    """``PASS`` or the reasons against the variant, joined by ``;`` in the order of `REASONS`.

    Parameters
    ----------
    tumour, normal
        Fragments in both samples; None where a sample is missing or the allele can't be counted in it.
    hotspot
        Known hotspots need fewer fragments and a smaller fraction.
    homopolymer
        Length in bases of the run that follows an indel's anchor.
    variant
        The alleles; without them the filters that ask for a kind of change aren't applied.
    known
        Reasons of `REASONS` that lists of places and alleles give.
    chip_gene
        Whether the gene is one of clonal haematopoiesis: what the normal holds there is then named so (`is_clone`).
    """
    if tumour is None:
        return "not_countable"
    against = set(known)
    vaf = tumour.vaf or 0.0
    if tumour.depth < settings.min_tumour_depth:
        against.add("low_tumour_depth")
    if tumour.alt < (settings.min_alt_reads_hotspot if hotspot else settings.min_alt_reads):
        against.add("low_alt_reads")
    if vaf < (settings.min_vaf_hotspot if hotspot else settings.min_vaf):
        against.add("low_vaf")
    if indel and homopolymer >= settings.homopolymer_length and vaf < settings.homopolymer_vaf:
        against.add("homopolymer")
    against |= _artefacts(tumour, variant, settings)
    if normal is None:
        against.add("no_normal")
    else:
        against |= _against_normal(tumour, normal, settings)
        if chip_gene and "normal_evidence" in against and is_clone(normal, settings):
            against.add("clonal_haematopoiesis")
    return ";".join(reason for reason in REASONS if reason in against) or PASS


def _artefacts(tumour: Evidence, variant: Variant | None, settings: Settings) -> set[str]:
    """What the way in which reads show the alternative says against it."""
    against = set()
    if strand_phred(tumour) > settings.max_strand_phred:
        against.add("strand_bias")
    if orientation_phred(tumour) > settings.max_strand_phred:
        against.add("orientation_bias")
    near_end, elsewhere = tumour.alt_end_distance, tumour.ref_end_distance
    # Where all reads end, as in short fragments, an end says nothing.
    if near_end is not None and near_end < settings.min_end_distance and (elsewhere or 100.0) > 2 * near_end:
        against.add("read_end")
    if variant is None or len(variant.ref) != len(variant.alt):
        return against
    lod = tumour_lod(tumour)
    if lod is not None and lod < settings.min_tumour_lod:
        against.add("weak_evidence")
    if (tumour.vaf or 0.0) < settings.artefact_vaf and orientation_p(tumour) < settings.max_orientation_p:
        change = (variant.ref, variant.alt)
        if change in (("C", "T"), ("G", "A")):
            against.add("ffpe")
        elif change in (("G", "T"), ("C", "A")):
            against.add("oxog")
    return against


def tumour_lod(evidence: Evidence) -> float | None:
    """log10 odds that the alternative is at its observed fraction f, over base errors (MuTect, Cibulskis 2013).

    A fragment with base error e shows the alternative with probability f (1 - e) + (1 - f) e / 3, or e / 3 where
    there is none. The mean Phred stands for each fragment's e. None without base qualities.
    """
    from math import log10

    if evidence.alt_quality is None or not evidence.depth:
        return None
    f = evidence.alt / evidence.depth
    error = 10 ** (-evidence.alt_quality / 10)
    shown = evidence.alt * log10((f * (1 - error) + (1 - f) * error / 3) / (error / 3))
    other = evidence.depth - evidence.alt
    error = 10 ** (-(evidence.ref_quality or evidence.alt_quality) / 10)
    hidden = other * log10((f * error / 3 + (1 - f) * (1 - error)) / (1 - error)) if other else 0.0
    return shown + hidden


def orientation_p(evidence: Evidence) -> float:
    """Two-sided binomial p that alternative fragments are F1R2 as often as the reference's; 1 without pairs.

    Deaminated cytosine (FFPE) and oxidised guanine (oxoG) damage one strand of a molecule, so that they show in one
    orientation of fragments only (Costello 2013).
    """
    n, forward = evidence.alt_f1r2 + evidence.alt_f2r1, evidence.alt_f1r2
    others = evidence.ref_f1r2 + evidence.ref_f2r1
    # One pseudo-fragment of each kind, so that a shallow reference doesn't claim certainty.
    share = (evidence.ref_f1r2 + 1) / (others + 2)
    if n == 0 or (evidence.ref_f1r2 == 0) != (evidence.ref_f2r1 == 0):
        return 1.0
    tail = min(binomial_at_least(forward, n, share), binomial_at_least(n - forward, n, 1 - share))
    return min(1.0, 2 * tail)


def orientation_phred(evidence: Evidence) -> float:
    """Phred of the two-sided Fisher p that both alleles come from F1R2 and F2R1 fragments alike."""
    return _phred(evidence.ref_f1r2, evidence.ref_f2r1, evidence.alt_f1r2, evidence.alt_f2r1)


def _against_normal(tumour: Evidence, normal: Evidence, settings: Settings) -> set[str]:
    against = set()
    if normal.depth < settings.min_normal_depth:
        against.add("low_normal_depth")
    # Tumour DNA in the normal brings the alteration there at a known share of the tumour's fraction.
    leaked = settings.tumour_in_normal * (tumour.vaf or 0.0)
    tolerated = max(settings.max_normal_vaf, 2 * leaked)
    explained = leaked > 0 and binomial_at_least(normal.alt, normal.depth, tolerated) > 0.05
    too_many = normal.alt > settings.max_normal_alt and not explained
    too_large = normal.alt > 1 and (normal.vaf or 0.0) > tolerated
    if too_many or too_large:
        against.add("normal_evidence")
    # A normal without any such fragment can't speak against the call; how deep it must be is judged above.
    if normal.alt > 0 and somatic_p(tumour, normal) > settings.max_somatic_p:
        against.add("not_somatic")
    return against


def somatic_p(tumour: Evidence, normal: Evidence) -> float:
    """One-sided Fisher exact p that the alternative's share is larger in the tumour (as in VarScan2)."""
    return fisher_greater(tumour.alt, tumour.depth - tumour.alt, normal.alt, normal.depth - normal.alt)


def strand_phred(evidence: Evidence) -> float:
    """Phred of the two-sided Fisher p that both alleles come from the strands alike (GATK's FS)."""
    return _phred(evidence.ref_forward, evidence.ref_reverse, evidence.alt_forward, evidence.alt_reverse)


def _phred(a: int, b: int, c: int, d: int) -> float:
    from math import log10

    return -10 * log10(max(fisher_two_sided(a, b, c, d), 1e-300))
