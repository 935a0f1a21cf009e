"""The copy-number profile of one tumour: which file speaks, with which purity and ploidy, and the segments' copies.

Purity is never guessed. It comes from the segment file itself (a column that states one value), else from the small
file of the fit that the tool writes beside it (role ``purity``). Where both state one and they contradict, the segments
are judged with their own and the other stands beside it. Ploidy is stated in the same places; otherwise it is the mean
of the absolute copies over the autosomes, weighted by length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from palbo_assets.genomics.alleles import ContigNames
from palbo_assets.wes.copy_number import absolute_segments
from palbo_assets.wes.copy_number_files import (
    CopyNumberProfile,
    CopyNumberSegment,
    plain_chromosome,
    read_copy_number,
    read_purity_interval,
    read_purity_ploidy,
)
from palbo_assets.wes.settings import Settings

_NORMAL_975 = 1.96  # standard deviations from the middle to an end of a normal 95 % interval
OF_SEGMENTS, OF_FIT, OF_COPIES = "segment_file", "purity_file", "mean_of_copies"


@dataclass(frozen=True)
class TumourProfile:
    """Segments with absolute copies (null where unknown) and what they rest on.

    ``other_purity`` is what the fit's file says where the segment file states a purity too. ``reason`` is "" where
    copies could be judged. ``purity_low`` and ``purity_high`` are the ends of its 95 % interval where the fit states
    one.
    """

    tool: str
    segments: tuple[CopyNumberSegment, ...]
    purity: float | None
    purity_source: str | None
    other_purity: float | None
    ploidy: float | None
    ploidy_source: str | None
    reason: str
    purity_low: float | None = None
    purity_high: float | None = None

    @property
    def stated_purity_sd(self) -> float | None:
        """Standard deviation of purity behind its stated 95 % interval, None where none is stated."""
        if self.purity_low is None or self.purity_high is None:
            return None
        return (self.purity_high - self.purity_low) / (2 * _NORMAL_975)

    def contradicts(self, settings: Settings) -> bool:
        """Whether two purities are stated that differ by more than ``purity_tolerance``."""
        if self.purity is None or self.other_purity is None:
            return False
        return abs(self.purity - self.other_purity) > settings.purity_tolerance


def read_tumour_profile(
    segments: Sequence[tuple[Path, str]], fits: Sequence[Path], settings: Settings
) -> TumourProfile | None:
    """The profile of one specimen from its segment files (with the sample's name in them) and its fits' files.

    Of several segment files the first counts whose tool modelled purity, then the first that states a purity; the
    order of the files decides between equals.

    Returns
    -------
    TumourProfile | None
        None without a segment file.

    Raises
    ------
    InputError
        What reading the files raises.
    """
    read = [read_copy_number(path, sample) for path, sample in segments]
    if not read:
        return None
    chosen = min(read, key=lambda one: (not one.modelled, one.purity is None))
    fit = read_purity_ploidy(fits[0]) if fits else None
    profile = judged_profile(chosen, fit, settings)
    interval = read_purity_interval(fits[0]) if fits else None
    if fit and interval and profile.purity == fit[0]:
        return replace(profile, purity_low=interval[0], purity_high=interval[1])
    return profile


def judged_profile(profile: CopyNumberProfile, fit: tuple[float, float] | None, settings: Settings) -> TumourProfile:
    """Join a segment file with the purity and ploidy of its fit, and solve its copies."""
    purity, source = (profile.purity, OF_SEGMENTS) if profile.purity is not None else (fit[0] if fit else None, OF_FIT)
    segments, reason = absolute_segments(profile, purity, settings=settings)
    ploidy, ploidy_source = profile.ploidy, OF_SEGMENTS
    if ploidy is None and fit:
        ploidy, ploidy_source = fit[1], OF_FIT
    if ploidy is None:
        ploidy, ploidy_source = mean_copies(segments), OF_COPIES
    return TumourProfile(
        tool=profile.tool,
        segments=segments,
        purity=purity,
        purity_source=None if purity is None else source,
        other_purity=fit[0] if fit and profile.purity is not None else None,
        ploidy=ploidy,
        ploidy_source=None if ploidy is None else ploidy_source,
        reason=reason,
    )


def mean_copies(segments: Sequence[CopyNumberSegment]) -> float | None:
    """Copies of a tumour cell, averaged over the bases of autosomes that have absolute copies; None without any."""
    known = [one for one in segments if one.total_cn is not None and one.chrom not in ("X", "Y")]
    bases = sum(one.end - one.start for one in known)
    return sum((one.total_cn or 0.0) * (one.end - one.start) for one in known) / bases if bases else None


def segment_rows(profile: TumourProfile, contigs: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows of ``copy_number_segments`` without patient, timepoint and specimen, in the file's genome order.

    ``contigs`` are the study's, so that chromosomes are named as everywhere; without them, without ``chr``.
    """
    names = ContigNames(contigs)
    return [
        {
            "chrom": names.canonical(one.chrom) or one.chrom,
            "start": one.start,
            "end": one.end,
            "n_markers": one.n_markers,
            "log2": one.log2,
            "total_cn": one.total_cn,
            "minor_cn": one.minor_cn,
            "cell_share": one.cell_share,
            "other_total_cn": one.other_total_cn,
            "other_minor_cn": one.other_minor_cn,
            "purity": profile.purity,
            "purity_low": profile.purity_low,
            "purity_high": profile.purity_high,
            "purity_source": profile.purity_source,
            "other_purity": profile.other_purity,
            "ploidy": profile.ploidy,
            "ploidy_source": profile.ploidy_source,
            "tool": profile.tool,
            "reason": profile.reason or ("" if one.total_cn is not None else "NO_ABSOLUTE_COPIES"),
        }
        for one in profile.segments
    ]


def profile_of_rows(rows: Any) -> TumourProfile | None:
    """The profile back from one specimen's rows of ``copy_number_segments``; None without rows."""
    if rows.empty:
        return None

    def value(cell: Any) -> Any:
        return None if cell is None or cell != cell or str(cell) == "<NA>" else cell

    records = [{name: value(cell) for name, cell in row.items()} for row in rows.to_dict("records")]
    first = records[0]
    return TumourProfile(
        tool=first["tool"],
        segments=tuple(
            CopyNumberSegment(
                plain_chromosome(one["chrom"]),
                one["start"],
                one["end"],
                one["log2"],
                one["total_cn"],
                one["minor_cn"],
                one["n_markers"],
                one["cell_share"],
                one["other_total_cn"],
                one["other_minor_cn"],
            )
            for one in records
        ),
        purity=first["purity"],
        purity_source=first["purity_source"],
        other_purity=first["other_purity"],
        ploidy=first["ploidy"],
        ploidy_source=first["ploidy_source"],
        reason=first["reason"] if all(one["total_cn"] is None for one in records) else "",
        purity_low=first["purity_low"],
        purity_high=first["purity_high"],
    )
