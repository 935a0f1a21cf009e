"""Errors for the person who gets them: what was wrong, where, and what to do.

A message carries positions and column names, never cell values: what a lab sends may identify a person,
and error text ends up in event logs and receipts.
"""

from __future__ import annotations


class PalboError(Exception):
    """A failure that somebody can act on.

    Attributes
    ----------
    code
        Stable reason code, upper case: ``E_...`` for errors, ``W_...`` for what only needs waiting or attention.
    message
        What was wrong, in one sentence.
    fix
        What to do about it, in plain words.
    file, row, column
        Where: the file's name, the 1-based line of the file as a spreadsheet shows it, the column's name.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fix: str = "",
        file: str = "",
        row: int | None = None,
        column: str = "",
    ) -> None:
        self.code = code
        self.message = message
        self.fix = fix
        self.file = file
        self.row = row
        self.column = column
        super().__init__(code, message)

    def __str__(self) -> str:
        where = ", ".join(
            part
            for part in (
                self.file,
                f"row {self.row}" if self.row is not None else "",
                f"column {self.column}" if self.column else "",
            )
            if part
        )
        text = f"{self.code}: {self.message}"
        if where:
            text += f" ({where})"
        if self.fix:
            text += f" Fix: {self.fix}"
        return text


class InputError(PalboError):
    """A file that a lab delivered can't be used as it is."""


class ReferenceBundleError(PalboError):
    """The reference bundle lacks an entry, or an entry doesn't match its checksum."""


class NotEvaluableError(PalboError):
    """A product can't be computed for this partition, for a stated reason; nothing is broken."""


class StaleWriterError(PalboError):
    """A newer step owns the partition; what this one computed must not be published."""
