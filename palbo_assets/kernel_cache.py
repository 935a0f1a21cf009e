"""Compiled kernels of one state of the code are kept apart from another state's.

Numba compiles a function again when its own file has changed, but not when a function that was compiled into it has, so
after an upgrade in place an old kernel could go on giving old results. The folder in which numba keeps what it compiled
is therefore named after the text of all kernels.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

KERNELS = (
    "ctdna/fragments.py",
    "ctdna/umi_families.py",
    "ctdna/umi_pairs.py",
    "ctdna/umi_records.py",
    "ctdna/umi_strands.py",
    "genomics/allele_kernel.py",
    "genomics/bam.py",
    "genomics/mates.py",
    "genomics/packed_bases.py",
    "genomics/pileup.py",
    "genomics/pileup_kernel.py",
    "genomics/unaligned.py",
    "genomics/vcf_kernel.py",
    "genomics/vcf_texts.py",
    "histology/kernels.py",
    "rnaseq/digits.py",
    "rnaseq/salmon_matrix.py",
    "serum/logistic_kernel.py",
    "wes/read_quality.py",
)
"""Every module that holds compiled code."""


def cache_folder(package: Path) -> Path:
    """Where kernels of this text are kept: beside the package's own compiled files, else in the user's cache."""
    digest = hashlib.sha256()
    for name in KERNELS:
        digest.update((package / name).read_bytes())
    beside = package / "__pycache__"
    root = beside if os.access(beside if beside.exists() else package, os.W_OK) else Path.home() / ".cache/palbo_assets"
    return root / f"kernels-{digest.hexdigest()[:12]}"


def keep_apart() -> None:
    """Tell numba, which reads the environment when it is imported; a folder that somebody chose stands."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(cache_folder(Path(__file__).parent))
