"""A picture of a tumour's copies along the genome, for the partition's metadata."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from palbo_assets.wes.copy_number_files import plain_chromosome

if TYPE_CHECKING:
    from palbo_assets.wes.tumour_profile import TumourProfile

_TOTAL, _MINOR, _LINE = "#263238", "#ef6c00", "#b0bec5"
HIGHEST = 10.0  # copies; more is drawn there


def copies_picture(profile: TumourProfile, contigs: Mapping[str, int]) -> str | None:
    """PNG (base64) of total and lesser copies along the chromosomes, or of log2 where copies aren't known.

    Chromosomes lie end to end with the study's lengths (bp), without a reference with those that segments reach.
    None where neither is stated.
    """
    import vl_convert

    copies = any(one.total_cn is not None for one in profile.segments)
    if not copies and all(one.log2 is None for one in profile.segments):
        return None
    ends = _lengths(profile, contigs)
    starts = dict(zip(ends, accumulate(ends.values(), initial=0), strict=False))
    lines: list[dict[str, Any]] = []
    for one in profile.segments:
        named = (("total", one.total_cn), ("lesser allele", one.minor_cn)) if copies else (("log2 ratio", one.log2),)
        lines += [
            {
                "from": (starts[one.chrom] + one.start) / 1e6,
                "to": (starts[one.chrom] + one.end) / 1e6,
                "y": min(value, HIGHEST) if copies else value,
                "what": what,
            }
            for what, value in named
            if value is not None
        ]
    x = {
        "field": "from",
        "type": "quantitative",
        "title": None,
        "axis": {"labels": False, "ticks": False},
        "scale": {"domain": [0, sum(ends.values()) / 1e6], "nice": False},
    }
    title = "copies in a tumour cell" if copies else "log2 ratio (copies unknown)"
    scale = {"domain": [-0.3, HIGHEST]} if copies else {}
    names = ["total", "lesser allele"] if copies else ["log2 ratio"]
    # The lesser allele is drawn over the total, thinner, so that both show where they are equal.
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"from": start / 1e6} for start in starts.values()]},
            "mark": {"type": "rule", "color": _LINE},
            "encoding": {"x": x},
        },
        {
            "data": {
                "values": [{"from": (starts[name] + length / 2) / 1e6, "name": name} for name, length in ends.items()]
            },
            "mark": {"type": "text", "y": 214, "fontSize": 9},
            "encoding": {"x": x, "text": {"field": "name"}},
        },
    ]
    for what, width in zip(names, (5, 2.5), strict=False):
        layers.append(
            {
                "data": {"values": [line for line in lines if line["what"] == what]},
                "mark": {"type": "rule", "strokeWidth": width},
                "encoding": {
                    "x": x,
                    "x2": {"field": "to"},
                    "y": {"field": "y", "type": "quantitative", "title": title, "scale": scale},
                    "color": {
                        "field": "what",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": names, "range": [_TOTAL, _MINOR][: len(names)]},
                    },
                },
            }
        )
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": _title(profile),
        "width": 640,
        "height": 200,
        "layer": layers,
        "config": {"axis": {"grid": False}},  # small files: the event log keeps them
    }
    return base64.b64encode(vl_convert.vegalite_to_png(spec)).decode("ascii")


def _title(profile: TumourProfile) -> str:
    if profile.purity is None:
        return f"{profile.tool}: no purity stated"
    ploidy = "" if profile.ploidy is None else f", ploidy {profile.ploidy:.2f}"
    return f"{profile.tool}: purity {profile.purity:.2f}{ploidy}"


def _lengths(profile: TumourProfile, contigs: Mapping[str, int]) -> dict[str, int]:
    """Chromosome -> bp, for those that have segments, in the order of their numbers."""
    of_study = {plain_chromosome(name): length for name, length in contigs.items()}
    reached: dict[str, int] = {}
    for one in profile.segments:
        reached[one.chrom] = max(reached.get(one.chrom, 0), one.end, of_study.get(one.chrom, 0))
    return dict(sorted(reached.items(), key=lambda item: (not item[0].isdigit(), item[0].zfill(3))))
