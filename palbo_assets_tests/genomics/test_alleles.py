"""One variant has one spelling."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from palbo_assets.genomics.alleles import ContigNames, Variant, homopolymer_length, normalise

SEQUENCES = st.text("ACGT", min_size=12, max_size=40)


def applied(sequence: str, variant: Variant) -> str:
    return sequence[: variant.pos - 1] + variant.alt + sequence[variant.pos - 1 + len(variant.ref) :]


@given(SEQUENCES, st.data())
def test_normalising_keeps_the_sequence_and_gives_equal_indels_one_spelling(sequence: str, data: st.DataObject) -> None:
    pos = data.draw(st.integers(2, len(sequence) - 4))
    ref = sequence[pos - 1 : pos - 1 + data.draw(st.integers(1, 4))]
    alt = data.draw(st.text("ACGT", min_size=1, max_size=4))
    assume(ref != alt)
    variant = Variant("c", pos, ref, alt)

    def fetch(chrom: str, start: int, end: int) -> str:
        return sequence[start:end]

    found = normalise(variant, fetch)
    assert applied(sequence, found) == applied(sequence, variant)
    assert sequence[found.pos - 1 : found.pos - 1 + len(found.ref)] == found.ref
    assert normalise(found, fetch) == found
    assert found.ref and found.alt
    if found.pos > 1 and len(found.ref) != len(found.alt):
        assert found.ref[-1] != found.alt[-1]


def test_a_deletion_in_a_run_moves_to_its_left_end() -> None:
    sequence = "GATCAAAAAG"

    def fetch(chrom: str, start: int, end: int) -> str:
        return sequence[start:end]

    for pos in (4, 5, 6, 7, 8):
        ref = sequence[pos - 1 : pos + 1]
        assert normalise(Variant("c", pos, ref, ref[0]), fetch) == Variant("c", 4, "CA", "C")
    assert homopolymer_length(Variant("c", 4, "CA", "C"), fetch) == 5


def test_without_a_reference_alleles_are_only_trimmed() -> None:
    assert normalise(Variant("c", 10, "CAGT", "CT")) == Variant("c", 10, "CAG", "C")
    assert normalise(Variant("c", 10, "AT", "GT")) == Variant("c", 10, "A", "G")


def test_contig_names_are_those_of_the_reference() -> None:
    names = ContigNames(["chr1", "chrX", "chrM"])
    assert [names.canonical(name) for name in ("1", "chr1", "X", "MT", "chrM", "2")] == [
        "chr1", "chr1", "chrX", "chrM", "chrM", None,
    ]  # fmt: skip
    assert ContigNames(["1", "MT"]).canonical("chrM") == "MT"
    assert ContigNames([]).canonical("anything") == "anything"


def test_kinds_of_variants() -> None:
    told = {("A", "T"): "snv", ("AC", "GT"): "mnv", ("A", "AG"): "ins", ("AG", "A"): "del", ("AG", "TCC"): "complex"}
    assert {key: Variant("c", 1, *key).kind for key in told} == told
