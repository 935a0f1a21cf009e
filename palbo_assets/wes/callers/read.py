"""Reads a caller's VCF into one normal form.

Callers' files break VCF's rules (undeclared contigs and fields, missing headers) while what is wanted from them is
plain, so the text is read by our own reader, which can name the line of every mistake. Large files go through the
column parser (`palbo_assets.genomics.vcf_columns`); whatever isn't plain there comes back here, line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from palbo_assets.genomics.alleles import ContigNames, Fetch
from palbo_assets.wes.callers.lines import text_lines
from palbo_assets.wes.callers.reading import CallerVcf, Reading

FAST_FROM_BYTES = 1_500_000
"""Size on disk from which the column parser pays: loading it costs about as much as reading 15,000 lines as text."""


def read_vcf(
    path: Path,
    *,
    reference_contigs: Mapping[str, int] | None = None,
    fetch: Fetch | None = None,
    tumour_sample: str = "",
    normal_sample: str = "",
    fast: bool | None = None,
) -> CallerVcf:
    """Read a caller's VCF: one record an alternative allele, contigs named as the reference names them.

    Parameters
    ----------
    reference_contigs
        The study's contigs; the file's names are mapped to them (``1`` is ``chr1``), records on others are skipped.
    fetch
        Reference bases: alleles are checked against it and left-aligned.
    tumour_sample, normal_sample
        Sample names, where the manifest states them; they beat the header.
    fast
        Whether plain lines go through the column parser; by default those of large files do. The result is the same.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with the line, ``E_TRUNCATED``, ``E_BUILD_MISMATCH`` (a reference allele isn't the reference's),
        ``E_SAMPLE_MISMATCH`` (the tumour's column can't be told), and what `text_lines` raises.
    """
    names = ContigNames(reference_contigs or ())
    if path.stat().st_size >= FAST_FROM_BYTES if fast is None else fast:
        from palbo_assets.wes.callers.columns import take_columns

        reading = Reading(path, names, fetch, tumour_sample, normal_sample)
        if take_columns(reading):
            return reading.result()
    reading = Reading(path, names, fetch, tumour_sample, normal_sample)
    for line, content in text_lines(path, whole_lines=True):
        reading.take(line, content)
    return reading.result()
