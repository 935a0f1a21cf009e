"""A reason why a file isn't taken (yet), and the plain words for it in English and Korean."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from palbo_assets.platform.errors import PalboError


class Status(StrEnum):
    """What became of a landed file."""

    ACCEPTED = "ACCEPTED"
    WAITING = "WAITING"
    QUARANTINED = "QUARANTINED"
    SUPERSEDED = "SUPERSEDED"
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True)
class Problem:
    """A stable code, one sentence, what to do, and where. Codes ``W_...`` only wait; ``E_...`` need somebody."""

    code: str
    message: str
    fix: str = ""
    row: int | None = None
    column: str = ""

    @property
    def status(self) -> Status:
        return Status.WAITING if self.code.startswith("W_") else Status.QUARANTINED

    @classmethod
    def of(cls, error: PalboError) -> Problem:
        return cls(error.code, error.message, error.fix, error.row, error.column)


FIXES = {
    "E_BAD_NAME": "rename it with letters, digits, '.', '_' and '-' only, and begin with a letter or digit",
    "E_NOT_REGULAR_FILE": "send the file itself, not a link, pipe or folder",
    "E_EMPTY": "export the file again and send it",
    "E_CHECKSUM": "send the file again, or correct the sha256 if the manifest is wrong",
    "E_CONSENT": "nothing: the platform takes no files of this patient any more",
    "E_SAMPLE_SWAP_SUSPECT": "find out which row is right and correct the other manifest; no file need be sent again",
    "E_UNREADABLE": "open it with the program that wrote it, export it again and send it",
    "E_MEMORY_LIMIT": "check whether the file is damaged or compressed beyond reason, and send it again",
    "E_TIMEOUT": "check whether the file is damaged, and send it again",
    "E_CRASH_SIGNAL": "check whether the file is damaged, and send it again",
    "W_MISSING_FILE": "send the file, or remove its row",
    "W_NOT_IN_MANIFEST": "add a row for it to delivery.csv, or remove the file",
    "W_NO_MANIFEST": "add a delivery.csv, or use landing/<modality>/<patient>/<timepoint>/<file>",
    "W_SETTLING": "nothing: it's taken once it has stopped changing",
    "W_CHANGING": "nothing: it's taken once it has stopped changing",
    "W_QUEUED": "nothing: a following scan reads it",
    "W_DUPLICATE": "nothing: it need not be sent again",
    "W_SUPERSEDED": "nothing",
    "W_REPLACED": "nothing",
    "W_RELABELLED": "correct the manifest; sent unchanged, it changes nothing",
}

KOREAN = {
    "E_BAD_NAME": "파일 이름에는 영문자, 숫자, '.', '_', '-'만 사용하십시오.",
    "E_NOT_REGULAR_FILE": "링크나 폴더가 아닌 실제 파일을 보내 주십시오.",
    "E_EMPTY": "빈 파일입니다. 다시 내보내 주십시오.",
    "E_TOO_BIG": "파일이 허용 크기를 넘습니다.",
    "E_CHECKSUM": "체크섬이 다릅니다. 파일을 다시 보내거나 sha256 값을 고쳐 주십시오.",
    "E_CONSENT": "동의를 철회한 환자의 파일이므로 받지 않습니다.",
    "E_SAMPLE_SWAP_SUSPECT": "같은 내용이 다른 환자나 시점으로도 제출되었습니다. 어느 쪽이 맞는지 확인해 주십시오.",
    "E_UNREADABLE": "파일을 읽을 수 없습니다. 다시 내보내 주십시오.",
    "E_TRUNCATED": "파일이 중간에 잘렸습니다. 다시 보내 주십시오.",
    "E_SCHEMA": "열 또는 값의 형식이 맞지 않습니다. 표시된 행과 열을 고쳐 주십시오.",
    "E_ENCODING": "UTF-8로 저장해 주십시오.",
    "E_BUILD_MISMATCH": "유전체 버전이 연구 기준과 다릅니다.",
    "E_SAMPLE_MISMATCH": "파일 안의 검체 이름이 목록과 다릅니다.",
    "E_NOT_CALLS": "환자의 변이 호출 결과가 아니라 데이터베이스 파일입니다. 종양 검체 열이 있는 VCF를 보내 주십시오.",
    "E_PHI_FOUND": "개인을 식별할 수 있는 정보가 있습니다. 지우고 다시 보내 주십시오.",
    "E_BAD_PATIENT_ID": "환자 번호 형식이 맞지 않습니다.",
    "E_UNKNOWN_TIMEPOINT": "시점은 BL, W06, W12, PD 중 하나여야 합니다.",
    "E_UNKNOWN_MODALITY": "modality 값을 확인해 주십시오.",
    "E_UNKNOWN_ROLE": "role 값을 확인해 주십시오.",
    "E_NAMED_TWICE": "같은 파일이 목록에 두 번 있습니다.",
    "E_NO_STANDARDS": "표준 물질 웰이 없는 플레이트입니다.",
    "E_UNSTAINED": "염색되지 않은 검체입니다.",
    "W_INCOMPLETE": "함께 필요한 파일을 기다리고 있습니다.",
    "W_MISSING_FILE": "목록에 있는 파일이 아직 없습니다.",
    "W_NOT_IN_MANIFEST": "delivery.csv에 이 파일의 행을 추가해 주십시오.",
    "W_NO_MANIFEST": "delivery.csv를 함께 보내 주십시오.",
    "W_SETTLING": "전송이 끝나기를 기다리고 있습니다.",
    "W_CHANGING": "전송이 끝나기를 기다리고 있습니다.",
    "W_QUEUED": "다음 확인 때 처리됩니다.",
    "W_DUPLICATE": "이미 받은 파일과 내용이 같습니다.",
    "W_SUPERSEDED": "새 파일로 대체되었습니다.",
    "W_REPLACED": "새 파일로 대체되었습니다.",
    "W_RELABELLED": "검체의 환자 또는 시점이 정정되었습니다. 목록을 고쳐 주십시오.",
}


def problem(code: str, message: str, *, fix: str = "", row: int | None = None, column: str = "") -> Problem:
    """A problem with the code's usual fix when none is given."""
    return Problem(code, message, fix or FIXES.get(code, ""), row, column)


def printable(text: str, longest: int = 300) -> str:
    """``text`` safe to store and show: control, bidirectional and unpaired characters escaped, length bounded."""
    shown = "".join(
        f"\\u{ord(character):04x}" if unicodedata.category(character)[0] == "C" else character for character in text
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
