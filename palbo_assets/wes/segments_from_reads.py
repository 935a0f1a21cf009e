"""Copy-number segments from the alignments themselves, where no lab delivers any: CNVkit, run as a program.

CNVkit (Talevich 2016) counts reads in target and antitarget bins of the tumour, corrects them for GC, and divides by
the patient's own blood. It is run in a process of its own on links in scratch space, because it writes indexes beside
what it reads. Segments come from HaarSeg (Ben-Yaacov and Eldar 2008) or CNVkit's hidden Markov model; its default, CBS,
needs R. The ratios say nothing of purity: without a stated one they give segments and no copies. The intervals that
CNVkit draws at random beside its ratios aren't read, so the same files give the same segments.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from palbo_assets.platform.errors import PalboError

NOT_INSTALLED = "CNVKIT_NOT_INSTALLED"
HOW_TO_INSTALL = "pip install 'palbo-assets[copies]', or name CNVkit's program in copies_program"
_log = logging.getLogger(__name__)


def installed_version() -> str:
    """Version of CNVkit in this environment; empty without it."""
    try:
        return metadata.version("cnvkit")
    except metadata.PackageNotFoundError:
        return ""


# The program is an input that no bundle lists: another release, or its installation, makes the products due.
COPIES_VERSION = f"3+{installed_version() or 'none'}"


def find_program(named: str) -> Path | None:
    """CNVkit's program: a path, or a name beside this Python or on PATH; None where there is none."""
    beside = Path(sys.executable).parent / named
    found = str(beside) if beside.is_file() else shutil.which(named)
    return Path(found) if found else None


def segment(
    program: Path,
    tumour: Path,
    blood: Path,
    targets: Path,
    fasta: Path,
    folder: Path,
    *,
    method: str,
    min_mapping: int,
    timeout_hours: float,
) -> Path:
    """CNVkit's segments (``.cns``) of a tumour against the patient's blood.

    Parameters
    ----------
    tumour, blood
        Sorted BAMs; an index isn't needed.
    targets
        BED of the kit, 0-based.
    folder
        Scratch space for links, indexes and CNVkit's files.
    method
        ``haar``, ``hmm-tumor``, or ``cbs`` where R and DNAcopy are installed.
    min_mapping
        Phred; reads below don't count.
    timeout_hours
        CNVkit and what it started are stopped then.

    Raises
    ------
    PalboError
        ``E_PROGRAM`` when CNVkit can't be started, takes too long, lacks memory or a package of its own, or fails
        otherwise; its own words are in the run's log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = fasta.with_name(fasta.name + ".fai")
    links = {
        "tumour.bam": tumour,
        "blood.bam": blood,
        "targets.bed": targets,
        "genome.fa": fasta,
        "genome.fa.fai": index,
    }
    for name, source in links.items():
        if source.exists():
            (folder / name).symlink_to(source.resolve())
    words = ["batch", "tumour.bam", "--normal", "blood.bam", "--targets", "targets.bed", "--fasta", "genome.fa"]
    words += ["--method", "hybrid", "--segment-method", method, "--min-mapq", str(min_mapping)]
    words += ["--output-dir", "out", "--output-reference", "out/reference.cnn"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    code, words_of_its_own = _run([str(program), *words], folder, one_thread, timeout_hours)
    made = folder / "out" / "tumour.cns"
    if code or not made.is_file():
        _log.error("CNVkit ended with %d: %s", code, words_of_its_own[-2000:])
        raise _failure(code, words_of_its_own)
    return made


def _run(command: list[str], folder: Path, environment: dict[str, str], timeout_hours: float) -> tuple[int, str]:
    """Exit code and standard error of a program that runs in a group of its own, so that none of it outlives us."""
    try:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise PalboError(
            "E_PROGRAM",
            f"CNVkit can't be started ({error.strerror})",
            fix=f"check copies_program and its permissions; {HOW_TO_INSTALL}",
        ) from None
    try:
        _, words = started.communicate(timeout=timeout_hours * 3600)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise PalboError(
            "E_PROGRAM",
            f"CNVkit was stopped after {timeout_hours:g} hours",
            fix="raise copies_timeout, deliver segments, or set copies_from_bam to false",
        ) from None
    return started.returncode, words


def _failure(code: int, words: str) -> PalboError:
    """What to do about how CNVkit ended; 137 is what a shell makes of a kill, the system's when memory runs out."""
    without = "deliver segments, or set copies_from_bam to false"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL) or "MemoryError" in words:
        return PalboError("E_PROGRAM", "CNVkit ran out of memory", fix=f"give the run more memory, {without}")
    if "ModuleNotFoundError" in words or "ImportError" in words:
        return PalboError(
            "E_PROGRAM", "CNVkit's installation lacks a package", fix=f"install it again: {HOW_TO_INSTALL}"
        )
    if code < 0:
        return PalboError("E_PROGRAM", f"CNVkit crashed (signal {-code})", fix=f"see the run's log; {without}")
    return PalboError(
        "E_PROGRAM",
        f"CNVkit ended with {code} and made no segments",
        fix=f"see the run's log for its own words; {without}",
    )
