"""Parsers of untrusted files run in a process of their own, with limits on memory, time and written bytes.

One worker process verifies file after file (a process start for each of 10,000 small files would take half an hour)
and is replaced after a crash, a timeout, a memory limit, or a fixed number of files. It's a fresh interpreter rather
than a fork: the caller may run threads (Dagster's code server does), and a fork copies their locks. What it answers is
JSON, checked before it is believed; nothing that it prints is kept.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from palbo_assets import __version__
from palbo_assets.landing.problem import Problem, printable, problem
from palbo_assets.landing.settings import GIB, Settings
from palbo_assets.platform.formats import Claim, Context, FileFormat

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV", "NUMBA_CACHE_DIR", "LD_LIBRARY_PATH")
_CODE = re.compile(r"[EW]_[A-Z0-9_]{1,60}")
_FACT = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
_BATCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_FACTS = 100
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Verdict:
    """What a verifier said of one file. ``problem`` is None when the file is good."""

    problem: Problem | None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    batch_key: str = ""
    verified_by: str = ""


def verifier_name(file_format: FileFormat) -> str:
    """Which code verifies a format, and its version: a rejection by an older version is not final."""
    return f"{':'.join(_name(file_format.verify))}@{__version__}"


def _name(named: Any) -> list[str]:
    """Module and qualified name of a function; what has none (a partial object) gets a name that leads nowhere."""
    return [getattr(named, "__module__", __name__), getattr(named, "__qualname__", "<unnamed>")]


class Sandbox:
    """Verifies files in a limited child process; use as a context manager. The process starts with the first file."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.starts = 0
        self._worker: subprocess.Popen[bytes] | None = None
        self._send = self._receive = -1
        self._verified = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def verify(self, path: Path, claim: Claim, context: Context, file_format: FileFormat) -> Verdict:
        """Run the format's verifier on one file.

        Never raises for what is in the file: a crash, a limit or an unexpected exception is a verdict
        (``E_CRASH_SIGNAL``, ``E_TIMEOUT``, ``E_MEMORY_LIMIT``, ``E_UNREADABLE``).
        """
        if self._verified >= self.settings.files_per_worker:
            self.close()
        size = path.stat().st_size
        cpu = self.settings.verify_cpu_seconds + self.settings.verify_cpu_seconds_per_gib * size / GIB
        task = {
            "path": str(path),
            "claim": vars(claim),
            "siblings": {role: str(beside) for role, beside in context.siblings.items()},
            "genome_build": context.genome_build,
            "contig_lengths": dict(context.contig_lengths),
            "format": [file_format.modality, file_format.role],
            "verify": _name(file_format.verify),
            "batch_key": _name(file_format.batch_key) if file_format.batch_key else None,
            "cpu_seconds": cpu,
        }
        answer = self._ask(task, cpu * self.settings.verify_wall_factor)
        return self._verdict(answer, file_format)

    def close(self) -> None:
        """Stop the worker."""
        worker, self._worker = self._worker, None
        if worker is not None:
            os.close(self._send)
            os.close(self._receive)
            worker.kill()
            worker.wait()
        self._verified = 0

    def _start(self) -> None:
        down_read, self._send = os.pipe()
        self._receive, up_write = os.pipe()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
        for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS"):
            environment[library] = "1"  # each thread reserves memory that the limit counts
        limits = [str(self.settings.verify_memory_bytes), str(self.settings.verify_written_bytes), str(os.getpid())]
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "palbo_assets.landing.sandbox_worker", str(down_read), str(up_write), *limits],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(down_read, up_write),
            env=environment,
        )
        os.close(down_read)
        os.close(up_write)
        self.starts += 1
        if self._line(time.monotonic() + _START_SECONDS) is None:
            self.close()
            raise RuntimeError("the verifying process doesn't start: palbo_assets.landing.sandbox_worker")

    def _ask(self, task: Mapping[str, Any], wall_seconds: float) -> dict[str, Any]:
        if self._worker is None:
            self._start()
        self._verified += 1
        try:
            content = json.dumps(task).encode() + b"\n"
            while content:
                content = content[os.write(self._send, content) :]
        except BrokenPipeError:
            return self._ended()
        line = self._line(time.monotonic() + wall_seconds)
        if line is None:
            return self._ended(timed_out=True)
        if not line:
            return self._ended()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or answer.get("retire"):
            self.close()
        return answer if isinstance(answer, dict) else {"code": "E_UNREADABLE", "message": "the parser gave no verdict"}

    def _line(self, deadline: float) -> bytes | None:
        """The next line from the worker; empty when it ended, None when it is too late."""
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._receive], [], [], left)[0]:
                return None
            block = os.read(self._receive, 65536)
            if not block or len(line) > 1024 * 1024:
                return b""
            line += block
        return line

    def _ended(self, *, timed_out: bool = False) -> dict[str, Any]:
        worker = self._worker
        if worker is None or timed_out:
            self.close()
            return {"code": "E_TIMEOUT", "message": "reading the file took longer than allowed"}
        try:
            number = -worker.wait(timeout=10)
        except subprocess.TimeoutExpired:
            number = 0
        self.close()
        if number == signal.SIGXCPU:
            return {"code": "E_TIMEOUT", "message": "reading the file took more computing time than allowed"}
        return {"code": "E_CRASH_SIGNAL", "message": f"the parser crashed (signal {number})"}

    def _verdict(self, answer: Mapping[str, Any], file_format: FileFormat) -> Verdict:
        name = verifier_name(file_format)
        code = answer.get("code")
        if code:
            if not isinstance(code, str) or not _CODE.fullmatch(code):
                code = "E_UNREADABLE"
            row, column = answer.get("row"), answer.get("column")
            found = problem(
                code,
                printable(str(answer.get("message") or "the file can't be used"), 500),
                fix=printable(str(answer.get("fix") or ""), 500),
                row=row if isinstance(row, int) else None,
                column=printable(column, 100) if isinstance(column, str) else "",
            )
            return Verdict(found, verified_by=name)
        batch_key = answer.get("batch_key") or ""
        if not isinstance(batch_key, str) or (batch_key and not _BATCH.fullmatch(batch_key)):
            text = "the batch (plate) id in the file holds characters that a key can't have"
            fix = "use letters, digits, '.', '_' and '-' only, at most 100"
            return Verdict(problem("E_BAD_NAME", text, fix=fix), verified_by=name)
        return Verdict(None, _facts(answer.get("facts")), batch_key, name)


def _facts(found: Any) -> dict[str, str | int | float]:
    if not isinstance(found, dict):
        return {}
    kept: dict[str, str | int | float] = {}
    for key, value in sorted(found.items())[:_MOST_FACTS]:
        if not isinstance(key, str) or not _FACT.fullmatch(key):
            continue
        if isinstance(value, str):
            kept[key] = printable(value, 200)
        elif isinstance(value, int) or (isinstance(value, float) and value - value == 0):  # finite
            kept[key] = value
    return kept


def function(module: str, name: str) -> Any:
    """The function that a format names, by module and qualified name."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
