"""Mechanisms of resistance as validated data, and whether an alteration belongs to one.

``mechanisms.yaml`` states them; the rules that its names stand for are in `variant_states` and `paired_states`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from palbo_assets.platform.errors import PalboError
from palbo_assets.resistance.features import read_yaml, validation_problem
from palbo_assets.study.vocabulary import Timepoint

DEFAULT_PATH = Path(__file__).with_name("mechanisms.yaml")

SOURCES = ("wes", "cn", "ctdna", "rna", "ihc", "elisa", "he", "facs")
ASSAY_OF_SOURCE: Mapping[str, str] = {
    "wes": "wes_tumour",
    "cn": "wes_tumour",
    "ctdna": "ctdna",
    "rna": "rnaseq",
    "elisa": "nrg1_elisa",
    "he": "he_til",
    "facs": "facs",
}
"""Assay of the protocol that answers for a source; a measure's own feature names it where several assays could."""

_THREE_TO_ONE = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H",
    "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W",
    "Tyr": "Y", "Val": "V", "Ter": "*", "Sec": "U",
}  # fmt: skip
_AMINO_ACID = re.compile("|".join(_THREE_TO_ONE))
_SUBSTITUTION = re.compile(r"([A-Z])(\d+)([A-Z])")
_INSERTION = re.compile(r"[A-Z](\d+)(?:_[A-Z]\d+)?(?:ins|dup|delins)")
_LISTED = re.compile(r"[A-Z]\d+([A-Z*]|del|fs)?")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    """What a mechanism is stated from."""

    VARIANT = "variant"  # alterations of genes
    AMPLIFICATION = "amplification"  # copies of one gene
    PAIRED = "paired"  # a change from baseline
    STATE = "state"  # a sample's own state
    UNASSAYED = "unassayed"  # known to the field, and no product of the study can tell it: never evaluable


class Rule(StrEnum):
    """How a measure becomes a state."""

    RISE = "rise"  # later - baseline >= threshold
    RISE_TO_LEVEL = "rise_to_level"  # and later >= level
    CHANGE = "change"  # |later - baseline| >= threshold
    RATIO_RISE = "ratio_rise"  # log2(later / baseline) >= threshold and beyond the reference change value
    RATIO_FALL = "ratio_fall"  # log2(later / baseline) <= -(reference change value)
    RATIO_CHANGE = "ratio_change"  # |log2(later / baseline)| >= threshold
    FALL = "fall"  # later - baseline <= -threshold
    FLAG = "flag"  # the room that measures it says yes or no
    SUBTYPE_SWITCH = "subtype_switch"
    ER_INDEPENDENT = "er_independent"


class Measure(_Frozen):
    """One measured source of a paired mechanism or of a state."""

    source: str
    rule: Rule
    feature: str
    threshold: float | None = None
    level: float | None = None
    unit: str = ""
    cv_pct: float | None = Field(None, gt=0, description="% total imprecision of the assay")
    threshold_source: str = Field(min_length=1)
    unmeasured: str = Field("", description="why the second of two conditions can't be told: never more than excluded")

    @model_validator(mode="after")
    def _has_its_numbers(self) -> Measure:
        if self.rule not in (Rule.SUBTYPE_SWITCH, Rule.RATIO_FALL, Rule.FLAG) and self.threshold is None:
            raise ValueError(f"{self.feature}: rule {self.rule} needs a threshold")
        if self.rule is Rule.RISE_TO_LEVEL and self.level is None:
            raise ValueError(f"{self.feature}: rule {self.rule} needs a level")
        if self.rule in (Rule.RATIO_FALL, Rule.RATIO_RISE) and self.cv_pct is None:
            raise ValueError(f"{self.feature}: rule {self.rule} needs cv_pct")
        if self.source not in SOURCES:
            raise ValueError(f"{self.feature}: unknown source {self.source}")
        return self


class Mechanism(_Frozen):
    """One mechanism; ``sources`` may each make it PRESENT, ``required`` must all be negative for ABSENT."""

    code: str = Field(pattern=r"^[A-Z0-9]+(_[A-Z0-9]+)*$", max_length=30)
    description: str = Field(min_length=1)
    kind: Kind
    sources: tuple[str, ...]
    required: tuple[str, ...] = Field(min_length=1)
    rank: int = Field(ge=1)
    attributed: bool = Field(True, description="may explain a progression alone; false for context")
    reason: str = Field("", description="of an unassayed mechanism: why it is never evaluable")
    timepoints: tuple[Timepoint, ...] = tuple(Timepoint)
    genes: tuple[str, ...] = ()
    alterations: tuple[str, ...] = ()
    residues: tuple[tuple[int, int], ...] = ()
    inframe_insertions: tuple[tuple[int, int], ...] = ()
    lof: bool = False
    copies: Literal[1, 2] = 1
    measures: tuple[Measure, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sources_of_measures(cls, content: Any) -> Any:
        if isinstance(content, dict) and "sources" not in content and "measures" in content:
            return {**content, "sources": [measure["source"] for measure in content["measures"]]}
        return content

    @model_validator(mode="after")
    def _is_consistent(self) -> Mechanism:
        unknown = sorted({*self.sources, *self.required} - set(SOURCES))
        if unknown:
            raise ValueError(f"{self.code}: unknown source {', '.join(unknown)}")
        if not set(self.required) <= set(self.sources) or len(set(self.sources)) != len(self.sources):
            raise ValueError(f"{self.code}: required sources must be among its distinct sources")
        if self.kind is Kind.VARIANT:
            named = self.lof or self.alterations or self.residues or self.inframe_insertions
            if not (self.genes and named) or self.measures or not set(self.sources) <= {"wes", "ctdna"}:
                raise ValueError(f"{self.code}: a variant mechanism needs genes, alterations or lof, from wes or ctdna")
            if self.copies == 2 and (len(self.genes) != 1 or self.sources != ("wes",)):
                raise ValueError(f"{self.code}: two hits are only judged of one gene in the tumour")
        elif self.kind is Kind.AMPLIFICATION:
            if len(self.genes) != 1 or self.sources != ("cn",) or self.measures or self.lof or self.alterations:
                raise ValueError(f"{self.code}: an amplification is of one gene, from cn")
        elif self.kind is Kind.UNASSAYED:
            if not self.reason or self.measures or self.genes:
                raise ValueError(f"{self.code}: an unassayed mechanism has a reason and nothing to judge")
        elif not self.measures or self.genes:
            raise ValueError(f"{self.code}: a {self.kind} mechanism needs measures and has no genes")
        if self.kind is Kind.PAIRED and Timepoint.BL in self.timepoints:
            raise ValueError(f"{self.code}: a change is not stated at baseline")
        wrong = [listed for listed in self.alterations if not _LISTED.fullmatch(listed)]
        if wrong:
            raise ValueError(f"{self.code}: {', '.join(wrong)} is no residue or protein change")
        return self

    @property
    def column(self) -> str:
        """Name of its column in the wide tables."""
        return f"mechanism__{self.code.lower()}"

    def covers(self, gene: object, hgvsp_short: object, lof: object) -> bool:
        """Whether an alteration (nulls are welcome) makes or contributes to the mechanism."""
        if not isinstance(gene, str) or gene not in self.genes:
            return False
        if self.lof and lof is True:
            return True
        change = one_letter(hgvsp_short)
        if not change:
            return False
        if change in self.alterations:
            return True
        inserted = _INSERTION.match(change)
        if inserted:
            return _within(int(inserted[1]), self.inframe_insertions)
        substitution = _SUBSTITUTION.fullmatch(change)
        if substitution is None or substitution[1] == substitution[3]:
            return False
        return substitution[1] + substitution[2] in self.alterations or _within(int(substitution[2]), self.residues)


def one_letter(hgvsp_short: object) -> str:
    """A protein change in one-letter form without ``p.``: ``p.Glu545Lys`` is ``E545K``; empty where there is none."""
    if not isinstance(hgvsp_short, str):
        return ""
    change = hgvsp_short.strip().removeprefix("p.").strip("()")
    return _AMINO_ACID.sub(lambda match: _THREE_TO_ONE[match[0]], change)


def _within(residue: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= residue <= high for low, high in ranges)


class Mechanisms(_Frozen):
    """All mechanisms in the order of attribution, and the hash of the file that states them."""

    listed: tuple[Mechanism, ...]
    digest: str

    def __getitem__(self, code: str) -> Mechanism:
        return next(mechanism for mechanism in self.listed if mechanism.code == code)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(mechanism.code for mechanism in self.listed)


def load_mechanisms(path: Path | None = None) -> Mechanisms:
    """The mechanisms in ``path``, or the study's own.

    Raises
    ------
    PalboError
        ``E_MECHANISMS`` naming the mechanism and what is wrong with it.
    """
    return _own() if path is None else _load(Path(path))


@cache
def _own() -> Mechanisms:
    return _load(DEFAULT_PATH)


def _load(path: Path) -> Mechanisms:
    content, digest = read_yaml(path, "E_MECHANISMS")
    try:
        listed = [Mechanism(code=code, **fields) for code, fields in content["mechanisms"].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise PalboError("E_MECHANISMS", f"a mechanism lacks {error}", file=path.name, fix="complete it") from None
    except ValidationError as error:
        raise validation_problem("E_MECHANISMS", path, error) from None
    return Mechanisms(listed=tuple(sorted(listed, key=lambda one: one.rank)), digest=digest)
