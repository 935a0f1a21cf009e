"""How many of the callers that could have seen a variant believe in it.

A caller is only asked for kinds of variants that it calls and delivered: a file of SNVs has no opinion on indels. Where
a specimen's own alignments were counted, that counting is one more voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from palbo_assets.genomics.alleles import Variant
from palbo_assets.wes.callers.described import Caller
from palbo_assets.wes.callers.records import CallerRecord


def kind_asked(variant: Variant) -> str:
    """``snv`` or ``indel``: what a caller must be able to call to be asked; substitutions of equal length are SNVs."""
    return "snv" if len(variant.ref) == len(variant.alt) else "indel"


@dataclass
class Electorate:
    """Which sources can speak on which kinds of variants."""

    kinds: dict[str, set[str]] = field(default_factory=dict)

    def add(self, caller: Caller, records: Iterable[CallerRecord]) -> None:
        """Take in a delivered file: it speaks on the kinds that stand in it and that its caller calls."""
        seen = {kind_asked(one.variant) for one in records}
        self.kinds.setdefault(caller.name, set()).update(seen & caller.kinds)

    def add_source(self, name: str) -> None:
        """A source that speaks on every kind."""
        self.kinds[name] = {"snv", "indel"}

    def asked(self, variant: Variant) -> frozenset[str]:
        """Names of the sources that could have seen the variant."""
        kind = kind_asked(variant)
        return frozenset(name for name, kinds in self.kinds.items() if kind in kinds)


def agreed(passing: frozenset[str], asked: frozenset[str], min_callers: int) -> bool:
    """Whether ``min_callers`` sources pass the variant; where fewer could have seen it, all of them must."""
    return len(passing) >= min(min_callers, max(1, len(asked)))


def votes(files: Iterable[tuple[Caller, Iterable[CallerRecord]]]) -> Mapping[Variant, frozenset[str]]:
    """Variant -> names of the callers that pass it, over all delivered files."""
    found: dict[Variant, set[str]] = {}
    for caller, records in files:
        for one in records:
            if one.passed:
                found.setdefault(one.variant, set()).add(caller.name)
    return {variant: frozenset(names) for variant, names in found.items()}
