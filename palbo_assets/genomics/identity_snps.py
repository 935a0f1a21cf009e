"""The identity SNPs as the study lists them: common, far apart, biallelic."""

from __future__ import annotations

from pathlib import Path

from palbo_assets.genomics.alleles import Variant
from palbo_assets.platform.errors import InputError


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(
            "E_ENCODING", "the SNPs aren't UTF-8 text", file=path.name, fix="save them as plain text in UTF-8"
        ) from None


def read_snps(path: Path) -> list[Variant]:
    """SNPs of a BED file with columns chrom, start, end, rsid, ref, alt (no header, 0-based start)."""
    found = []
    for number, line in enumerate(_lines(path), start=1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) < 6 or not cells[1].isdigit():
            raise InputError("E_SCHEMA", "not a SNP with chrom, start, end, rsid, ref, alt", file=path.name, row=number)
        found.append(Variant(cells[0], int(cells[1]) + 1, cells[4].upper(), cells[5].upper()))
    return found


def read_frequencies(path: Path) -> list[float | None]:
    """Alternative allele frequency of each SNP of `read_snps`: the BED's seventh column, None where there is none."""
    found: list[float | None] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) < 7 or cells[6] in ("", "."):
            found.append(None)
            continue
        try:
            stated = float(cells[6])
        except ValueError:
            stated = -1.0
        if not 0 < stated < 1:
            raise InputError("E_SCHEMA", "the allele frequency isn't between 0 and 1", file=path.name, row=number)
        found.append(stated)
    return found
