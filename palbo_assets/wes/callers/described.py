"""The callers, one entry each: how a file is known, where its counts are, what it calls somatic.

Sources: the callers' own headers and manuals (Mutect2/GATK 4, Strelka2 user guide "somatic variant allele
frequencies", VarDictJava, VarScan 2 somatic, MuSE, LoFreq 2, SomaticSniper 1.0.5, CaVEMan, Scalpel 0.5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from palbo_assets.wes.callers.counts import GENERIC, Layout

SOMATIC, GERMLINE, LOH, UNKNOWN = "somatic", "germline", "loh", "unknown"
SNV_AND_INDEL = frozenset({"snv", "indel"})


@dataclass(frozen=True)
class Verdict:
    """A caller's own statement beside FILTER: an INFO key, or a FORMAT key of the tumour, and what its values mean.

    A value that isn't listed is `UNKNOWN`; a record without the key makes no statement.
    """

    key: str
    values: Mapping[str, str]
    of_tumour: bool = False


@dataclass(frozen=True)
class Caller:
    """One caller.

    sources
        Words that its ``##source``, ``##MuTect..`` or ``##GATK..`` header lines hold, in lower case.
    marks
        Sets of FORMAT or INFO keys (of INFO with ``INFO/`` in front), each of which only this caller writes.
    layouts
        Where its counts are; `GENERIC` follows.
    verdict
        Its own word on somatic or germline. FILTER alone isn't enough: VarScan2 passes germline variants.
    kinds
        What it can call: a consensus doesn't ask it for others.
    site_only
        Writes no sample columns; its counts stand in INFO.
    """

    name: str
    sources: tuple[str, ...] = ()
    marks: tuple[frozenset[str], ...] = ()
    layouts: tuple[Layout, ...] = ()
    verdict: Verdict | None = None
    kinds: frozenset[str] = SNV_AND_INDEL
    passing: frozenset[str] = field(default=frozenset({"PASS", ".", ""}))
    site_only: bool = False

    @property
    def all_layouts(self) -> tuple[Layout, ...]:
        """Its own layouts, then what most callers do."""
        return (*self.layouts, *GENERIC)


def _keys(*names: str) -> frozenset[str]:
    return frozenset(names)


_SS = {"0": "wildtype", "1": GERMLINE, "2": SOMATIC, "3": LOH}
_CAVEMAN_DEPTH = "FAZ+FCZ+FGZ+FTZ+RAZ+RCZ+RGZ+RTZ"

CALLERS: tuple[Caller, ...] = (
    Caller(
        "strelka2",
        sources=("strelka",),
        marks=(_keys("AU", "CU", "GU", "TU"), _keys("TAR", "TIR")),
        layouts=(  # tier 1, the first number
            Layout("{alt}U", "AU+CU+GU+TU", ref="{ref}U"),
            Layout("TIR", "TAR+TIR", ref="TAR"),
        ),
    ),
    Caller(
        "varscan2",
        sources=("varscan",),
        marks=(_keys("RD", "FREQ"),),
        layouts=(Layout("AD[0]", "DP", "DP4[2]", "DP4[3]", "RD"),),
        verdict=Verdict("SS", _SS),
    ),
    Caller(
        "vardict",
        sources=("vardict",),
        marks=(_keys("VD", "ALD"), _keys("INFO/SSF", "INFO/MSILEN")),
        layouts=(Layout("AD[alt]", "DP|AD[all]", "ALD[0]", "ALD[1]", "AD[0]"),),
        verdict=Verdict(
            "STATUS",
            {
                "StrongSomatic": SOMATIC,
                "LikelySomatic": SOMATIC,
                "Germline": GERMLINE,
                "StrongLOH": LOH,
                "LikelyLOH": LOH,
            },
        ),
    ),
    Caller(
        "caveman",
        sources=("caveman",),
        marks=(_keys("FAZ", "RAZ"), _keys("AA", "CA", "GA", "TA", "PM")),
        layouts=(
            Layout("F{alt}Z+R{alt}Z", _CAVEMAN_DEPTH, "F{alt}Z", "R{alt}Z", "F{ref}Z+R{ref}Z"),
            Layout("{alt}A", "AA+CA+GA+TA", ref="{ref}A"),  # its versions before 1.0 don't tell the strands
        ),
        kinds=_keys("snv"),
    ),
    Caller(
        "somaticsniper",
        sources=("somaticsniper", "bam-somaticsniper"),
        marks=(_keys("BCOUNT", "SSC"), _keys("IGT", "JGQ")),
        layouts=(Layout("BCOUNT[base]", "DP|BCOUNT[all]", ref="DP4[0]+DP4[1]"),),
        verdict=Verdict("SS", _SS, of_tumour=True),
        kinds=_keys("snv"),
    ),
    Caller("scalpel", sources=("scalpel",), marks=(_keys("INFO/BESTSTATE", "INFO/COVSTATE"),), kinds=_keys("indel")),
    Caller(
        "lofreq",
        sources=("lofreq",),
        layouts=(Layout("DP4[2]+DP4[3]", "DP", "DP4[2]", "DP4[3]", "DP4[0]+DP4[1]"),),
        site_only=True,
    ),
    Caller("mutect2", sources=("mutect2",), marks=(_keys("F1R2", "F2R1"),)),
    Caller("mutect", sources=("mutect",), marks=(_keys("BQ", "FA"), _keys("FA", "SS")), kinds=_keys("snv")),
    Caller(
        "muse",
        sources=("muse",),
        marks=(_keys("BQ", "SS"),),
        verdict=Verdict("SS", _SS, of_tumour=True),
        kinds=_keys("snv"),
    ),
    Caller("freebayes", sources=("freebayes",), marks=(_keys("RO", "AO", "QA"),)),
)
PLAIN = Caller("vcf")
"""A file of no known caller: plain AD and DP, FILTER alone."""


_SAYS = ("##source", "##mutect", "##gatk", "##muse", "##varscan", "##caveman")


def recognise(header: Sequence[str], format_keys: frozenset[str], info_keys: frozenset[str]) -> Caller:
    """The caller of a file by its first record's keys, else by its header; `PLAIN` when neither tells.

    Keys come before words, because a file that another tool rewrote keeps its layout and not always its header.
    """
    keys = format_keys | {f"INFO/{key}" for key in info_keys}
    for caller in CALLERS:
        if any(mark <= keys for mark in caller.marks):
            return caller
    said = " ".join(line for line in header if line.lower().startswith(_SAYS)).lower()
    words = set(re.findall(r"[a-z0-9]+", said))
    for caller in CALLERS:
        if any(source in words or (len(source) > 5 and source in said) for source in caller.sources):
            return caller
    return PLAIN
