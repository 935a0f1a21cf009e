"""Former symbols, aliases and spreadsheet damage: what a gene is called today, where that can be said for certain.

HGNC's own table is the authority (reference ``hgnc_aliases``): its complete set (TSV with ``symbol``, ``prev_symbol``,
``alias_symbol``; genes.names.org) or a two-column table of ``Symbol, Approved.Symbol``. A name that is itself approved
stays what it is; a name that two genes carry (MLL2 is KMT2D and KMT2B) is refused: it stays as it is written.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.identifiers import current_symbol

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "hgnc_aliases"

_DAY_MONTH = re.compile(r"^(\d{1,2})-(Mar|Sep|Sept|Dec)$", re.IGNORECASE)


@dataclass(frozen=True)
class SymbolNames:
    """``approved`` symbols, ``former``: other name -> the one approved symbol, ``ambiguous``: names of several genes.

    Without a table (`BUILT_IN`) only the renames of `identifiers.CURRENT_SYMBOL` are known.
    """

    approved: frozenset[str] = frozenset()
    former: Mapping[str, str] = field(default_factory=dict)
    ambiguous: frozenset[str] = frozenset()

    def current(self, symbol: str) -> str:
        """The approved symbol; ``symbol`` itself where it is approved, ambiguous or unknown."""
        if symbol in self.approved or symbol in self.ambiguous:
            return symbol
        return current_symbol(symbol) if symbol not in self.former else self.former[symbol]


BUILT_IN = SymbolNames()


def read_hgnc(path: Path) -> SymbolNames:
    """HGNC's complete set, or a table of ``Symbol, Approved.Symbol``; plain or gzip, comma- or tab-separated.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` when the header names neither, or the table has no rows.
    """
    approved: set[str] = set()
    carriers: dict[str, set[str]] = defaultdict(set)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        delimiter = "\t" if "\t" in first else ","
        header = next(csv.reader([first], delimiter=delimiter), [])
        rows = csv.DictReader(file, fieldnames=header, delimiter=delimiter)
        if {"symbol", "prev_symbol", "alias_symbol"} <= set(header):
            for row in rows:
                approved.add(row["symbol"])
                for column in ("prev_symbol", "alias_symbol"):
                    for name in filter(None, (row[column] or "").split("|")):
                        carriers[name].add(row["symbol"])
        elif {"Symbol", "Approved.Symbol"} <= set(header):
            for row in rows:
                said = (name.strip() for name in (row["Approved.Symbol"] or "").split("///"))
                of = [name for name in said if name not in ("", "NA")]
                approved.update(of)
                if row["Symbol"] not in of:
                    carriers[row["Symbol"]].update(of)
        else:
            raise ReferenceBundleError(
                "E_REFERENCE_SCHEMA",
                "the header has neither symbol, prev_symbol and alias_symbol nor Symbol and Approved.Symbol",
                file=path.name,
                row=1,
                fix="use HGNC's complete set as it is downloaded",
            )
    if not approved:
        raise ReferenceBundleError("E_REFERENCE_SCHEMA", "the table has no rows", file=path.name, fix="replace it")
    former = {name: next(iter(of)) for name, of in carriers.items() if len(of) == 1 and name not in approved}
    ambiguous = {name for name, of in carriers.items() if len(of) > 1 and name not in approved}
    return SymbolNames(frozenset(approved), former, frozenset(ambiguous))


def repaired(symbol: str) -> str:
    """The symbol behind a spreadsheet's date where only one gene can be meant; else ``symbol`` itself.

    ``3-Mar`` to ``11-Mar`` are MARCHF3 to MARCHF11, ``1-Sep`` to ``14-Sep`` SEPTIN1 to SEPTIN14 (there is no 13),
    ``15-Sep`` is SELENOF and ``1-Dec`` DELEC1 (Ziemann 2016, Genome Biol 17:177; Bruford 2020, Nat Genet 52:754).
    ``1-Mar`` and ``2-Mar`` may be MARCHF or MTARC genes; dates with a year and floating-point numbers may be anything.
    """
    found = _DAY_MONTH.match(symbol)
    if not found:
        return symbol
    number, month = int(found[1]), found[2].lower()[:3]
    if month == "mar" and 3 <= number <= 11:
        return f"MARCHF{number}"
    if month == "sep" and 1 <= number <= 14 and number != 13:
        return f"SEPTIN{number}"
    return {("sep", 15): "SELENOF", ("dec", 1): "DELEC1"}.get((month, number), symbol)


@dataclass(frozen=True)
class Renaming:
    """Symbols of one annotation after renaming, and what was done: counts of genes."""

    symbols: pd.Series
    renamed: int
    repaired: int
    ambiguous: int


def rename(symbols: pd.Series, names: SymbolNames = BUILT_IN) -> Renaming:
    """Current symbols of an annotation's genes (one a row; null stays null).

    A name never becomes that of another gene of the same annotation: two genes would be counted as one.
    """
    present = set(symbols.dropna())
    target: dict[str, str] = {}
    n_ambiguous = 0
    for symbol in sorted(present):
        n_ambiguous += symbol in names.ambiguous
        whole = repaired(symbol)
        current = names.current(whole)
        if current == symbol or current in present or whole in present - {symbol}:
            continue
        target[symbol] = current
    claimed: dict[str, int] = defaultdict(int)
    for current in target.values():
        claimed[current] += 1
    target = {symbol: current for symbol, current in target.items() if claimed[current] == 1}
    renamed = symbols.map(lambda symbol: target.get(symbol, symbol), na_action="ignore")
    return Renaming(renamed, len(target), sum(repaired(symbol) != symbol for symbol in target), n_ambiguous)
