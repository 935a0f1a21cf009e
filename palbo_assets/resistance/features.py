"""The catalogue of features: what the integrated table's columns are, and where each comes from.

``features.yaml`` is the only place that names them; the facts, the wide tables' declarations and the data dictionary
all derive from it. A feature is selected from one table of a modality room: rows that match ``where``, the ``column``,
and an ``aggregate`` over what is left.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.tables import Type
from palbo_assets.study.vocabulary import OBSERVED, Absence

DEFAULT_PATH = Path(__file__).with_name("features.yaml")

LONGEST_NAME = 50  # PostgreSQL identifiers end at 63, and ``__pair_status`` must fit behind
_NAME = re.compile(r"[a-z][a-z0-9]*__[a-z0-9]+(_[a-z0-9]+)*")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Aggregate(StrEnum):
    """How the selected rows of one specimen become one value."""

    FIRST = "first"
    MAX = "max"
    MIN = "min"
    FURTHEST = "furthest"  # from zero, with its sign
    SUM = "sum"
    COUNT = "count"  # rows, or distinct values of the column where one is named
    JOIN = "join"  # distinct texts in alphabetical order, separated by ";"
    RANKED = "ranked"  # of several texts the one that stands first in ``ranking``


class Pairing(StrEnum):
    """What the change between baseline and progression is."""

    DIFFERENCE = "difference"
    LOG2_RATIO = "log2_ratio"
    LOG2_RATIO_PLUS_ONE = "log2_ratio_plus_one"  # log2((x + 1) / (y + 1)): densities are often 0
    NONE = "none"
    LEFT_OUT = "left_out"  # no pair at all: what a technician asks of a sample, and what moves with the cohort


class Grain(StrEnum):
    """What a feature is a property of, which is the level of the product that it is from."""

    SAMPLE = "sample"  # in `facts`
    PATIENT = "patient"  # of one sample, known only beside the patient's others: in `patient_facts`, at its timepoint
    PAIR = "pair"  # of baseline and progression together: in `patient_facts` at progression, and in the pairs table
    COHORT = "cohort"  # of one sample, known only beside other patients': in `cohort_facts`


NONE_DETECTED = "none detected"
"""Text of a list that was looked for and is empty. It isn't wild type: nothing was seen at the depth there was."""


class Gate(_Frozen):
    """Turns a specimen's values into ``status`` when the gate table's ``column`` holds one of ``values``."""

    table: str
    column: str
    values: tuple[str | bool, ...]
    status: Absence
    reason: str
    any_specimen: bool = Field(False, description="the verdict concerns all of the sample's specimens")


class Feature(_Frozen):
    """One feature. ``name`` is ``<modality>__<feature>`` and the wide table's column."""

    name: str
    description: str = Field(min_length=1)
    grain: Grain = Grain.SAMPLE
    type: Type
    unit: str = ""
    assay: str
    measured_by: str
    gates: tuple[Gate, ...] = ()

    table: str
    column: str = ""
    fallback_column: str = Field("", description="used where column is null (a splice site has no protein change)")
    where: dict[str, Any] = {}
    otherwise: dict[str, Any] = Field({}, description="as where, for a specimen without any row of the first")
    aggregate: Aggregate = Aggregate.FIRST
    counted: dict[str, Any] = Field({}, description="rows that a count counts, among those of where that stand")
    empty_is_zero: bool = Field(True, description="a count, or a list, without any row of where is 0 (none detected)")
    ranking: tuple[str, ...] = ()
    status_column: str = ""
    statuses: dict[str, str] = Field({}, description="values of status_column that aren't in the study's vocabulary")
    reason_column: str = ""
    censor_column: str = ""
    lloq_column: str = ""
    uloq_column: str = ""
    unselected: Absence = Field(Absence.NOT_EVALUABLE, description="status of a measured sample without such a row")
    pairing: Pairing = Pairing.DIFFERENCE
    paired_by: str = Field(
        "",
        description="table that says which later samples may be compared with baseline, by where's columns and status",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Feature:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name}: a name is <modality>__<feature> in lower snake case")
        if len(self.name) > LONGEST_NAME:
            raise ValueError(f"{self.name}: longer than {LONGEST_NAME} characters")
        if self.aggregate is not Aggregate.COUNT and not self.column:
            raise ValueError(f"{self.name}: only a count (of rows) needs no column")
        if (self.aggregate is Aggregate.RANKED) != bool(self.ranking):
            raise ValueError(f"{self.name}: a ranked text needs its ranking, and nothing else has one")
        if self.counted and self.aggregate is not Aggregate.COUNT:
            raise ValueError(f"{self.name}: only a count says what is counted")
        if self.type is Type.REAL and not self.unit:
            raise ValueError(f"{self.name}: a number needs a unit")
        if self.type not in (Type.REAL, Type.TEXT, Type.BOOLEAN):
            raise ValueError(f"{self.name}: a feature is real, text or boolean")
        if self.type is not Type.REAL and self.compared:
            raise ValueError(f"{self.name}: only numbers have a change; pairing must be none or left_out")
        if self.grain is Grain.PAIR and self.pairing is not Pairing.NONE:
            raise ValueError(f"{self.name}: what is of a pair has no change of its own; pairing must be none")
        if self.grain is Grain.COHORT and self.pairing is not Pairing.LEFT_OUT:
            raise ValueError(f"{self.name}: what moves with the cohort has no pair; pairing must be left_out")
        unknown = sorted(set(self.statuses.values()) - {OBSERVED, *Absence})
        if unknown:
            raise ValueError(f"{self.name}: unknown status {', '.join(unknown)}")
        return self

    @property
    def modality(self) -> str:
        return self.name.partition("__")[0]

    @property
    def compared(self) -> bool:
        """Whether baseline and progression have a change."""
        return self.pairing not in (Pairing.NONE, Pairing.LEFT_OUT)

    @property
    def tables(self) -> frozenset[str]:
        """Every table that the feature's fact depends on."""
        return frozenset({self.table, self.measured_by, *(gate.table for gate in self.gates)})


class Catalogue(_Frozen):
    """All features in the order of the wide table, and the hash of the file that states them."""

    features: tuple[Feature, ...]
    digest: str

    @model_validator(mode="after")
    def _names_are_unique(self) -> Catalogue:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice")
        return self

    def __getitem__(self, name: str) -> Feature:
        return next(feature for feature in self.features if feature.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(table for feature in self.features for table in feature.tables)

    @property
    def of_samples(self) -> tuple[Feature, ...]:
        """Features with a value at each timepoint: the columns of the integrated table."""
        return tuple(feature for feature in self.features if feature.grain is not Grain.PAIR)

    @property
    def side_by_side(self) -> tuple[Feature, ...]:
        """Those of them whose baseline stands beside progression."""
        return tuple(feature for feature in self.of_samples if feature.pairing is not Pairing.LEFT_OUT)

    @property
    def of_pairs(self) -> tuple[Feature, ...]:
        """Features with one value for a patient's pair."""
        return self.at(Grain.PAIR).features

    def at(self, *grains: Grain) -> Catalogue:
        """The catalogue of the features of these grains; its hash stays that of the file."""
        kept = tuple(feature for feature in self.features if feature.grain in grains)
        return self.model_copy(update={"features": kept})


def load_features(path: Path | None = None) -> Catalogue:
    """The catalogue in ``path``, or the study's own.

    Raises
    ------
    PalboError
        ``E_FEATURES`` naming the feature and what is wrong with it.
    """
    return _own() if path is None else _load(Path(path))


@cache
def _own() -> Catalogue:
    return _load(DEFAULT_PATH)


def _load(path: Path) -> Catalogue:
    content, digest = read_yaml(path, "E_FEATURES")
    try:
        features = [
            Feature.model_validate(
                {
                    "assay": block["assay"],
                    "measured_by": block["measured_by"],
                    "gates": block.get("gates", ()),
                    "grain": block.get("grain", Grain.SAMPLE),
                    **selector,
                    "name": f"{block['modality']}__{name}",
                }
            )
            for block in content["blocks"]
            for name, selector in block["features"].items()
        ]
        return Catalogue(features=tuple(features), digest=digest)
    except (KeyError, TypeError, AttributeError) as error:
        raise PalboError("E_FEATURES", f"a block lacks {error}", file=path.name, fix="complete it") from None
    except ValidationError as error:
        raise validation_problem("E_FEATURES", path, error) from None


def read_yaml(path: Path, code: str) -> tuple[Any, str]:
    """Content of a YAML file and the first 12 digits of its SHA-256."""
    import yaml

    try:
        content = path.read_bytes()
        return yaml.safe_load(content), hashlib.sha256(content).hexdigest()[:12]
    except FileNotFoundError:
        raise PalboError(code, "the file doesn't exist", file=path.name) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        row = mark.line + 1 if mark else None
        raise PalboError(code, "the file isn't valid YAML", file=path.name, row=row) from None


def validation_problem(code: str, path: Path, error: ValidationError) -> PalboError:
    """What pydantic found, in one sentence."""
    found = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}".removeprefix(": ")
        for item in error.errors(include_url=False)[:5]
    )
    return PalboError(code, f"the definitions can't be used: {found}", file=path.name, fix="correct the named entries")
