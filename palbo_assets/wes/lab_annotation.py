"""Annotation that a lab's own tools wrote into a VCF: VEP's CSQ, SnpEff's ANN, GATK's Funcotator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from palbo_assets.genomics.consequence import MAF_CLASSES, Consequence, choose, maf_class
from palbo_assets.genomics.protein_change import short_change
from palbo_assets.wes.callers import CallerRecord


def agreement(ours: Consequence | None, labs: Consequence | None) -> str | None:
    """What differs first between two annotations: ``gene``, ``consequence``, ``protein_change``; else ``same``.

    ``other_transcript`` where they judge different transcripts and don't say the same: neither need be wrong. None
    where one of the two is missing, or is the other (there is nothing to compare).
    """
    if ours is None or labs is None or ours is labs:
        return None
    differs = "same"
    if ours.gene and labs.gene and ours.gene != labs.gene and not _one_gene(ours, labs):
        return "gene"
    if ours.consequence != labs.consequence:
        differs = "consequence"
    elif _comparable(ours.hgvsp_short) != _comparable(labs.hgvsp_short):
        differs = "protein_change"
    if differs != "same" and ours.transcript_id and labs.transcript_id and ours.transcript_id != labs.transcript_id:
        return "other_transcript"
    return differs


def _one_gene(ours: Consequence, labs: Consequence) -> bool:
    """Whether two symbols at one allele name one gene: the same transcript, or the same change of a protein.

    Labs write older symbols (MLL3 is KMT2C) and spreadsheets turn some into dates.
    """
    change = _comparable(ours.hgvsp_short)
    same_transcript = bool(ours.transcript_id) and ours.transcript_id == labs.transcript_id
    return same_transcript or (bool(change) and change == _comparable(labs.hgvsp_short))


def _comparable(change: str | None) -> str:
    """A protein change without what conventions add: MSK's ``p.X307_splice``, a frameshift's later residues."""
    if not change or change.endswith("_splice"):
        return ""
    return short_change(change) or change


class LabAnnotation:
    """Reads the annotation of a file's records, if its header declares one."""

    def __init__(self, header: Sequence[str]) -> None:
        self._fields: dict[str, list[str]] = {}
        for line in header:
            match = re.match(r"##INFO=<ID=(CSQ|ANN|FUNCOTATION),", line)
            text = re.search(r'Description="(.*)"', line)
            if match and text:
                listed = re.search(r"(?:Format: |annotations: |Funcotation fields are: )(.*)", text[1])
                if listed:
                    self._fields[match[1]] = [name.strip(" '\"") for name in listed[1].split("|")]

    @property
    def declared(self) -> bool:
        """Whether the header declares an annotation that can be read."""
        return bool(self._fields)

    def of(self, record: CallerRecord, pinned: Mapping[str, str]) -> Consequence | None:
        """The record's consequence on its gene's pinned transcript, else the most severe one; None without any."""
        for key, names in self._fields.items():
            if key not in record.info:
                continue
            entries = []
            for entry in record.info[key].split(","):
                values = dict(zip(names, entry.strip("[]").split("|"), strict=False))
                allele = values.get("Allele")
                if key == "FUNCOTATION" or allele is None or allele in _spellings(record):
                    entries.append(_consequence(key, values, record))
            if entries:
                return choose(entries, pinned)
        return None


def _spellings(record: CallerRecord) -> set[str]:
    """How VEP and SnpEff write the record's alternative allele: as it is, or without the shared first base."""
    ref, alt = record.given_ref, record.given_alt
    return {alt, alt[1:] or "-"} if ref[:1] == alt[:1] else {alt}


def _consequence(key: str, values: Mapping[str, str], record: CallerRecord) -> Consequence:
    if key == "FUNCOTATION":
        given = {re.sub(r"^Gencode_\d+_", "", name): value for name, value in values.items()}
        kind = _from_funcotator(given.get("variantClassification", ""))
        transcript = given.get("annotationTranscript", "").split(".")[0]
        return Consequence(
            given.get("hugoSymbol") or None, transcript or None, kind, short_change(given.get("proteinChange", ""))
        )
    terms = (values.get("Consequence") or values.get("Annotation") or "").split("&")
    change = short_change(values.get("HGVSp") or values.get("HGVS.p") or "")
    return Consequence(
        values.get("SYMBOL") or values.get("Gene_Name") or None,
        (values.get("Feature") or values.get("Feature_ID") or "").split(".")[0] or None,
        maf_class(terms, record.variant.ref, record.variant.alt),
        change,
    )


def _from_funcotator(kind: str) -> str:
    """MAF class of a Funcotator classification such as ``FRAME_SHIFT_DEL``."""
    plain = {name.upper().replace("'", "").replace("_MUTATION", ""): name for name in MAF_CLASSES}
    plain |= {"FIVE_PRIME_UTR": "5'UTR", "THREE_PRIME_UTR": "3'UTR", "START_CODON_SNP": "Translation_Start_Site"}
    return plain.get(kind.upper().replace("_MUTATION", ""), "IGR")
