"""Small formats with verifiers that behave, and misbehave, in every way that the landing has to survive."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope


def verify(path: Path, claim: Claim, context: Context) -> Finding:
    """Accepts any content that doesn't begin with a command."""
    content = path.read_bytes()
    word = content.split(b"\n")[0].split(b" ")[0]
    if word == b"TRUNCATED":
        raise InputError("E_TRUNCATED", "the file ends early", fix="send it again")
    if word == b"ROW":
        raise InputError("E_SCHEMA", "the cell is not a number", row=7, column="od450", fix="correct the cell")
    if word == b"RAISE":
        raise ValueError("could not convert string to float: 'KIM-CANARY'")
    if word == b"EXIT":
        raise SystemExit(3)
    if word == b"CRASH":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == b"HANG":
        time.sleep(600)
    if word == b"SPIN":
        while True:
            pass
    if word == b"MEMORY":
        blocks = []
        while True:
            blocks.append(bytearray(64 * 1024 * 1024))
    if word == b"WRITE":
        with Path(os.environ.get("TMPDIR", "/tmp"), f"palbo-written-{os.getpid()}").open("wb") as stream:
            Path(stream.name).unlink()
            for _ in range(64):
                stream.write(bytes(1024 * 1024))
    if word == b"BUILD" and context.genome_build and content.split()[1] != context.genome_build.encode():
        raise InputError("E_BUILD_MISMATCH", "the contig lengths are of another build")
    facts: dict[str, str | int | float] = {"bytes": len(content), "siblings": ",".join(sorted(context.siblings))}
    if word == b"SLOT":
        facts["slot"] = content.split()[1].decode()
    return facts


def plate_key(path: Path, claim: Claim, context: Context) -> str:
    """The plate id is the second word of the file."""
    return path.read_text().split()[1]


FORMATS = (
    FileFormat("wes", "tumour_bam", (".bam",), Scope.SAMPLE, verify, "", needs=(frozenset({"normal_bam"}),)),
    FileFormat("wes", "normal_bam", (), Scope.PATIENT, verify, ""),
    FileFormat("wes", "somatic_vcf", (".vcf", ".vcf.gz"), Scope.SAMPLE, verify, ""),
    FileFormat("rnaseq", "quant", (".sf",), Scope.SAMPLE, verify, ""),
    FileFormat(
        "ctdna", "consensus_bam", (".bam",), Scope.SAMPLE, verify, "", needs=(frozenset({"panel_bed", "wet_lab"}),)
    ),
    FileFormat("ctdna", "panel_bed", (".bed",), Scope.COHORT, verify, ""),
    FileFormat("facs", "fcs", (".fcs",), Scope.SAMPLE, verify, ""),
    FileFormat("facs", "gating", (".xml",), Scope.SAMPLE, verify, ""),
    FileFormat("he_slide", "slide", (".tiff",), Scope.SAMPLE, verify, ""),
    FileFormat(
        "elisa", "plate", (".txt",), Scope.BATCH, verify, "", needs=(frozenset({"layout"}),), batch_key=plate_key
    ),
    FileFormat("elisa", "layout", (".csv",), Scope.BATCH, verify, "", batch_key=plate_key),
    FileFormat("clinical", "redcap_export", (".csv",), Scope.COHORT, verify, ""),
)
REGISTRY = {(item.modality, item.role): item for item in FORMATS}
