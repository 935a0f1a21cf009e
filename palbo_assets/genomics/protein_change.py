"""Names of protein changes in HGVS's short form, whatever form a tool or a list writes."""

from __future__ import annotations

import re
from urllib.parse import unquote

_ONE_LETTER = {
    "Ala": "A",
    "Arg": "R",
    "Asn": "N",
    "Asp": "D",
    "Cys": "C",
    "Gln": "Q",
    "Glu": "E",
    "Gly": "G",
    "His": "H",
    "Ile": "I",
    "Leu": "L",
    "Lys": "K",
    "Met": "M",
    "Phe": "F",
    "Pro": "P",
    "Ser": "S",
    "Thr": "T",
    "Trp": "W",
    "Tyr": "Y",
    "Val": "V",
    "Sec": "U",
    "Ter": "*",
}


def short_change(hgvsp: str) -> str | None:
    """``p.E545K`` from ``ENSP00000263967.3:p.Glu545Lys``; a frameshift keeps its first residue only (``p.E137fs``)."""
    change = unquote(hgvsp).rpartition(":")[2].strip("()")
    if not change.startswith("p."):
        return None
    change = re.sub(r"[A-Z][a-z]{2}", lambda found: _ONE_LETTER.get(found[0], found[0]), change)
    change = re.sub(r"^(p\.[A-Z*]\d+)[A-Z]?fs.*", r"\1fs", change)
    return change.replace("(", "").replace(")", "")
