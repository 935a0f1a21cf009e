"""Somatic callers' files in one normal form: 1-based, left-aligned, one alternative allele each, the study's contigs.

Adding a caller is one entry in `described.CALLERS`: how its files are known, where depth and counts stand, what it
calls somatic. Nothing else in the package knows a caller by name.
"""

from palbo_assets.wes.callers.counts import SampleCounts
from palbo_assets.wes.callers.lines import text_lines
from palbo_assets.wes.callers.read import read_vcf
from palbo_assets.wes.callers.reading import CallerVcf
from palbo_assets.wes.callers.records import CallerRecord

__all__ = ["CallerRecord", "CallerVcf", "SampleCounts", "read_vcf", "text_lines"]
