"""What the room's steps share: the group, and the names of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.product import Step

if TYPE_CHECKING:
    from palbo_assets.rnaseq.symbols import SymbolNames

GROUP = "rnaseq"


def symbol_names(step: Step) -> SymbolNames:
    """HGNC's names of the reference bundle; without them only the room's own renames."""
    from palbo_assets.rnaseq.symbols import BUILT_IN, REFERENCE, read_hgnc

    path = step.references.get(REFERENCE)
    return BUILT_IN if path is None else read_hgnc(path)
