"""Private is only said with power; another person's tumour neither has sets nor makes any."""

from __future__ import annotations

import pandas as pd

from palbo_assets.wes.mutation_sets import private_and_shared

COLUMNS = ["timepoint", "specimen_id", "chrom", "pos", "ref", "alt", "called", "state"]


def genotypes(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def row(timepoint: str, pos: int, state: str, called: bool | None = None, alt: str = "T") -> tuple[object, ...]:
    return timepoint, f"{timepoint}1", "1", pos, "C", alt, state == "PRESENT" if called is None else called, state


def of(frame: pd.DataFrame, timepoint: str, swapped: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    return next(one for one in private_and_shared(frame, swapped) if one.timepoint == timepoint)


def test_private_is_absent_elsewhere_with_power_and_shared_is_present_there() -> None:
    frame = genotypes(
        *(row("PD", pos, "PRESENT") for pos in (1, 2, 3)),
        row("BL", 1, "ABSENT"),
        row("BL", 2, "PRESENT"),
        row("BL", 3, "NOT_EVALUABLE"),
    )
    found = of(frame, "PD")
    assert found.private == (("1", 1, "C", "T"),) and found.shared == (("1", 2, "C", "T"),)
    assert found.undetermined == 1
    assert of(frame, "BL").private == () and of(frame, "BL").shared == (("1", 2, "C", "T"),)


def test_one_of_two_earlier_samples_without_power_leaves_it_undetermined() -> None:
    frame = genotypes(row("PD", 1, "PRESENT"), row("BL", 1, "ABSENT"), row("W06", 1, "NOT_EVALUABLE"))
    assert (of(frame, "PD").private, of(frame, "PD").undetermined) == ((), 1)


def test_present_without_a_call_is_not_counted_as_a_mutation_but_makes_the_other_shared() -> None:
    frame = genotypes(row("PD", 1, "PRESENT"), row("BL", 1, "PRESENT", called=False))
    assert of(frame, "BL").shared == () and of(frame, "PD").shared != ()


def test_another_persons_tumour_is_left_out_and_named() -> None:
    frame = genotypes(row("PD", 1, "PRESENT"), row("BL", 1, "NOT_EVALUABLE"), row("W06", 1, "ABSENT"))
    assert of(frame, "BL", ("BL1",)).reason == "E_IDENTITY_MISMATCH"
    assert of(frame, "PD", ("BL1",)).private == (("1", 1, "C", "T"),)


def test_one_timepoint_alone_has_no_sets() -> None:
    assert of(genotypes(row("PD", 1, "PRESENT")), "PD").reason == "ONE_TIMEPOINT"


def test_indels_are_in_no_set() -> None:
    frame = genotypes(row("PD", 1, "PRESENT", alt="CT"), row("BL", 1, "ABSENT", alt="CT"))
    assert of(frame, "PD").private == () and of(frame, "PD").undetermined == 0
