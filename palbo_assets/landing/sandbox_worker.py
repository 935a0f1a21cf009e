"""The verifying process: reads tasks from one pipe, answers on another, and limits itself before each file."""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from palbo_assets.landing.sandbox import function
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.formats import Claim, Context, registry

_PR_SET_PDEATHSIG = 1
_MAPPED_BESIDE = 4 * 1024**3  # address space beyond private memory: code, reserved arenas, shared mappings


def main(receive: int, send: int, memory_bytes: int, written_bytes: int, parent: int) -> None:
    """Serve tasks until the pipe closes."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
    with os.fdopen(receive, "rb") as tasks, os.fdopen(send, "wb") as answers:
        _answer(answers, {"ready": True})
        for line in tasks:
            task = json.loads(line)
            _limit(task, memory_bytes)
            answer = verdict(task)
            _answer(answers, answer)
            if answer.get("retire"):
                return


def verdict(task: Mapping[str, Any]) -> dict[str, Any]:
    """Verify one file: facts and batch key, or the code of what is wrong. No value of the file gets into a message."""
    try:
        path = Path(task["path"])
        claim = Claim(**task["claim"])
        context = Context(
            siblings={role: Path(beside) for role, beside in task["siblings"].items()},
            genome_build=task["genome_build"],
            contig_lengths=task["contig_lengths"],
        )
        verify, batch_key = _functions(task)
        facts = dict(verify(path, claim, context) or {})
        key = batch_key(path, claim, context) if batch_key else ""
        answer = {"facts": {name: _plain(value) for name, value in facts.items()}, "batch_key": key}
        json.dumps(answer)
        return answer
    except PalboError as error:
        return {
            "code": error.code,
            "message": error.message,
            "fix": error.fix,
            "row": error.row,
            "column": error.column,
        }
    except BaseException as error:  # a parser may raise anything, also SystemExit
        if _is_memory(error) or _is_memory(error.__cause__ or error.__context__):
            text = "reading the file takes more memory than allowed"
            return {"code": "E_MEMORY_LIMIT", "message": text, "retire": True}
        return {"code": "E_UNREADABLE", "message": f"the parser failed ({type(error).__name__})"}


def _is_memory(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _functions(task: Mapping[str, Any]) -> tuple[Any, Any]:
    """Verifier and batch key by name; from the installed formats where a name leads nowhere (closures, partials)."""
    try:
        return function(*task["verify"]), function(*task["batch_key"]) if task["batch_key"] else None
    except AttributeError:
        file_format = registry()[task["format"][0], task["format"][1]]
        return file_format.verify, file_format.batch_key


def _plain(value: Any) -> Any:
    """Numbers of numpy as numbers of Python."""
    if isinstance(value, str | bool | int | float):
        return value
    return value.item() if hasattr(value, "item") else str(value)


def _limit(task: Mapping[str, Any], memory_bytes: int) -> None:
    """Bound private memory (and, loosely, address space) and CPU time, counted from now on.

    RLIMIT_DATA counts private writable pages, so that mapping a large slide or an interpreter's reserved arenas isn't
    mistaken for a bomb; RLIMIT_AS is the backstop.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = usage.ru_utime + usage.ru_stime
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(spent + task["cpu_seconds"]), hard))
    status = _status()
    size = Path(task["path"]).stat().st_size
    for limit, in_use, allowed in (
        (resource.RLIMIT_DATA, status["VmData"], memory_bytes),
        (resource.RLIMIT_AS, status["VmSize"], memory_bytes + _MAPPED_BESIDE + 2 * size),
    ):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (in_use + allowed, hard))


def _status() -> dict[str, int]:
    """This process's memory figures in bytes."""
    figures = {}
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            figures[name] = int(rest.split()[0]) * 1024
    return figures


def _answer(answers: BinaryIO, answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
