"""The trial's protocol as data: what ``protocol.yaml`` states, validated when it's loaded.

Everything that says whether a cell of the patient x timepoint x assay grid is expected asks this module, so that
*not expected*, *late* and *failed* are never confused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from palbo_assets.platform.errors import PalboError
from palbo_assets.study.vocabulary import TIMEPOINTS, Modality, Timepoint

DEFAULT_PATH = Path(__file__).with_name("protocol.yaml")

UNSCHEDULED = "UNSCHED"  # the day lies in no window
PD_LATE = "PD_LATE"  # near progression, but the next line of treatment had begun

LONGEST_PATIENT_ID = 63  # cBioPortal's limit for clinical identifiers
_PATIENT_ID = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")


def valid_patient_id(patient_id: str) -> bool:
    """Whether the id is safe in partition keys, paths and exports: ``A-Z 0-9``, single hyphens inside."""
    return len(patient_id) <= LONGEST_PATIENT_ID and _PATIENT_ID.fullmatch(patient_id) is not None


class Specimen(StrEnum):
    """What is taken from a patient."""

    TUMOR_FF = "TUMOR_FF"  # fresh-frozen biopsy
    TUMOR_FFPE = "TUMOR_FFPE"  # formalin-fixed, paraffin-embedded biopsy, from which slides are cut
    BLOOD_EDTA = "BLOOD_EDTA"
    PLASMA = "PLASMA"
    SERUM = "SERUM"
    PBMC = "PBMC"
    WHOLE_BLOOD = "WHOLE_BLOOD"

    @property
    def is_tissue(self) -> bool:
        return self in (Specimen.TUMOR_FF, Specimen.TUMOR_FFPE)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Anchor(StrEnum):
    """The event that a window counts its days from."""

    FIRST_DOSE = "first_dose"
    PROGRESSION = "progression"


class Cohort(_Frozen):
    description: str
    planned: PositiveInt


class Window(_Frozen):
    """When a timepoint may be taken, in days from its anchor; both ends included."""

    description: str
    anchor: Anchor
    target: int
    earliest: int
    latest: int
    tissue_earliest: int | None = None
    before_next_line: bool = False
    aliases: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_ordered(self) -> Window:
        if not self.earliest <= self.target <= self.latest:
            raise ValueError("a window needs earliest <= target <= latest")
        if self.tissue_earliest is not None and self.tissue_earliest > self.earliest:
            raise ValueError("tissue_earliest may only widen the window")
        return self

    def contains(self, days_from_anchor: int, *, tissue: bool) -> bool:
        earliest = self.tissue_earliest if tissue and self.tissue_earliest is not None else self.earliest
        return earliest <= days_from_anchor <= self.latest


class Assay(_Frozen):
    """One planned measurement: its modality, what may serve it, and for which cohorts it's planned when."""

    description: str
    modality: Modality
    specimens: tuple[Specimen, ...] = Field(min_length=1)
    product: str
    timepoints: Mapping[Timepoint, frozenset[str]]
    roles: frozenset[str] = frozenset()
    delivery_days: PositiveInt | None = None

    def takes(self, modality: str, role: str) -> bool:
        """Whether a landed file of this modality and role belongs to the assay."""
        return modality == self.modality and (not self.roles or role in self.roles)


class Protocol(_Frozen):
    """Cohorts, timepoints with windows, and the assay matrix."""

    study: str
    name: str
    month_days: PositiveFloat
    cohorts: Mapping[str, Cohort]
    planned_progression_biopsy_success: float = Field(gt=0, le=1)
    planned_months_to_resistance: PositiveFloat
    timepoints: Mapping[Timepoint, Window]
    delivery_days: PositiveInt
    assays: Mapping[str, Assay]

    @model_validator(mode="after")
    def _names_agree(self) -> Protocol:
        if tuple(self.timepoints) != TIMEPOINTS:
            raise ValueError(f"timepoints must be {', '.join(TIMEPOINTS)}, in this order")
        for name, assay in self.assays.items():
            if not assay.timepoints:
                raise ValueError(f"assay {name} is planned at no timepoint")
            for timepoint, cohorts in assay.timepoints.items():
                unknown = sorted(cohorts - set(self.cohorts))
                if unknown:
                    raise ValueError(f"assay {name} at {timepoint}: unknown cohort {', '.join(unknown)}")
                if not cohorts:
                    raise ValueError(f"assay {name} at {timepoint} is planned for no cohort")
        labels = [_squeeze(label) for point, window in self.timepoints.items() for label in (point, *window.aliases)]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"the label {', '.join(twice)} is given to more than one timepoint")
        return self

    def expected(self, cohorts: Iterable[str], assay: str, timepoint: str) -> bool:
        """Whether the protocol plans ``assay`` at ``timepoint`` for a patient of these cohorts.

        Raises
        ------
        KeyError
            For an assay or timepoint that the protocol doesn't know; unknown cohorts plan nothing.
        """
        planned = self.assays[assay].timepoints
        point = self._timepoint(timepoint)
        return point in planned and not planned[point].isdisjoint(cohorts)

    def assays_at(self, cohorts: Iterable[str], timepoint: str) -> tuple[str, ...]:
        """The assays expected at ``timepoint`` for a patient of these cohorts, in the protocol's order."""
        listed = frozenset(cohorts)
        return tuple(name for name in self.assays if self.expected(listed, name, timepoint))

    def expected_timepoints(self, cohorts: Iterable[str]) -> tuple[str, ...]:
        """The timepoints at which anything is expected of a patient of these cohorts, in clinical order."""
        listed = frozenset(cohorts)
        return tuple(str(point) for point in TIMEPOINTS if self.assays_at(listed, point))

    def timepoints_of(
        self, day: int, *, pd_day: int | None = None, next_line_day: int | None = None, tissue: bool = False
    ) -> tuple[str, ...]:
        """Every timepoint whose window holds ``day`` (days from first dose), in clinical order.

        ``pd_day`` is the day of documented progression, ``next_line_day`` the first dose of the next line, None while
        unknown. ``tissue`` widens the baseline window for biopsies.
        """
        found = []
        for point, window in self.timepoints.items():
            if window.anchor is Anchor.PROGRESSION and pd_day is None:
                continue
            origin = pd_day if window.anchor is Anchor.PROGRESSION and pd_day is not None else 0
            late = window.before_next_line and next_line_day is not None and day >= next_line_day
            if window.contains(day - origin, tissue=tissue) and not late:
                found.append(str(point))
        return tuple(found)

    def timepoint_of(
        self, day: int, pd_day: int | None = None, next_line_day: int | None = None, *, tissue: bool = False
    ) -> str:
        """The timepoint of a specimen taken on ``day``: one of BL, W06, W12, PD, ``PD_LATE``, ``UNSCHED``.

        Where a scheduled window and the progression window overlap, the specimen belongs to progression from the day
        of documented progression on, and to the scheduled visit before it.
        """
        found = self.timepoints_of(day, pd_day=pd_day, next_line_day=next_line_day, tissue=tissue)
        if not found:
            near = self.timepoints_of(day, pd_day=pd_day, tissue=tissue)
            return PD_LATE if Timepoint.PD in near else UNSCHEDULED
        if len(found) > 1 and pd_day is not None and day >= pd_day:
            return found[-1]
        return found[0]

    def canonical(self, label: str) -> str | None:
        """The canonical timepoint of a lab's label (``C2D15`` -> ``W06``), None when it is none of the known ones."""
        return self._labels().get(_squeeze(label))

    def due_day(self, timepoint: str, pd_day: int | None = None) -> int | None:
        """Last day of the timepoint's window in days from first dose; None before progression is documented."""
        window = self.timepoints[self._timepoint(timepoint)]
        if window.anchor is Anchor.PROGRESSION:
            return None if pd_day is None else pd_day + window.latest
        return window.latest

    def overdue_day(self, assay: str, timepoint: str, pd_day: int | None = None) -> int | None:
        """Last day on which a delivery of ``assay`` isn't late yet, in days from first dose."""
        due = self.due_day(timepoint, pd_day)
        return None if due is None else due + (self.assays[assay].delivery_days or self.delivery_days)

    def _timepoint(self, name: str) -> Timepoint:
        try:
            return Timepoint(name)
        except ValueError:
            raise KeyError(name) from None

    def _labels(self) -> dict[str, str]:
        return {
            _squeeze(label): str(point)
            for point, window in self.timepoints.items()
            for label in (point, *window.aliases)
        }


def _squeeze(label: str) -> str:
    return re.sub(r"[\s_-]+", "", str(label)).upper()


def load_protocol(path: Path | None = None) -> Protocol:
    """The protocol in ``path``, or the study's own.

    Raises
    ------
    PalboError
        ``E_PROTOCOL``: the file is missing, isn't YAML, or names something unknown; the message says where.
    """
    return _own() if path is None else _load(Path(path))


@cache
def protocol_version() -> str:
    """Short hash of the study's own protocol: what follows from the protocol carries it in its code version."""
    return hashlib.sha256(DEFAULT_PATH.read_bytes()).hexdigest()[:12]


@cache
def _own() -> Protocol:
    return _load(DEFAULT_PATH)


def _load(path: Path) -> Protocol:
    try:
        return Protocol.model_validate(_read(path))
    except FileNotFoundError:
        raise PalboError("E_PROTOCOL", "the protocol file doesn't exist", file=path.name) from None
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'protocol'}: {item['msg']}"
            for item in error.errors(include_url=False)[:5]
        )
        raise PalboError(
            "E_PROTOCOL", f"the protocol can't be used: {found}", file=path.name, fix="correct the named entries"
        ) from None


def _read(path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice, where YAML would silently keep the last."""

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise PalboError(
                "E_PROTOCOL",
                f"the key {twice[0]} stands twice",
                file=path.name,
                row=node.start_mark.line + 1,
                fix="keep one of them",
            )
        return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 (Loader is a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PalboError(
            "E_PROTOCOL", "the protocol file isn't valid YAML", file=path.name, row=mark.line + 1 if mark else None
        ) from None
