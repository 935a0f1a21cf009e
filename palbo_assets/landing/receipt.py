"""The lab's answer, beside its manifest: ``receipt.json`` for programs, ``receipt.html`` for people.

Written with a temporary name and a rename, and only when its bytes change; it names times of arrival nowhere, so an
unchanged delivery keeps an unchanged receipt.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.landing.problem import KOREAN, Problem, Status
from palbo_assets.landing.report import FileVerdict, where

if TYPE_CHECKING:
    import jinja2

SCHEMA = 1
_ORDER = (Status.QUARANTINED, Status.WAITING, Status.SUPERSEDED, Status.DUPLICATE, Status.ACCEPTED)
_SAY = {
    Status.ACCEPTED: ("taken", "접수"),
    Status.WAITING: ("waiting", "대기"),
    Status.QUARANTINED: ("needs you", "수정 필요"),
    Status.SUPERSEDED: ("replaced by a newer file", "대체됨"),
    Status.DUPLICATE: ("already taken", "중복"),
}


def receipt(delivery: str, verdicts: Iterable[FileVerdict], problems: Sequence[Problem] = ()) -> dict[str, Any]:
    """The receipt's content: counts, the manifest's own problems, and one record a file (what needs somebody first)."""
    listed = sorted(verdicts, key=lambda verdict: (_ORDER.index(verdict.status), verdict.file, verdict.sha256))
    counts = Counter(verdict.status for verdict in listed)
    files = []
    for verdict in listed:
        record = {**vars(verdict), "status": str(verdict.status), "korean": KOREAN.get(verdict.reason, "")}
        del record["path"], record["delivery"]
        files.append(record)
    return {
        "schema": SCHEMA,
        "delivery": delivery,
        "counts": {str(status): counts[status] for status in _ORDER},
        "problems": [{**vars(item), "korean": KOREAN.get(item.code, "")} for item in problems],
        "files": files,
    }


def as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def as_html(content: dict[str, Any]) -> str:
    """One self-contained page; everything that came from a lab is escaped."""
    return _template().render(receipt=content, order=[str(status) for status in _ORDER], say=_SAY, where=where) + "\n"


def write_receipt(folder: Path, content: dict[str, Any]) -> int:
    """Write both files where their bytes differ from what is there; the number written.

    Raises
    ------
    OSError
        The folder can't be written to.
    """
    written = 0
    # JSON last: whoever waits for it finds the page, too.
    for name, text in (("receipt.html", as_html(content)), ("receipt.json", as_json(content))):
        written += _replace(folder / name, text.encode("utf-8"))
    return written


def _replace(target: Path, content: bytes) -> bool:
    try:
        if not target.is_symlink() and target.is_file() and target.read_bytes() == content:
            return False
    except OSError:
        pass
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return True


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(Path(__file__).with_name("receipt.html.j2").read_text(encoding="utf-8"))
