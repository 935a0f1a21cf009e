"""What one well's reading is: the form that every reader's export is brought into."""

from __future__ import annotations

from typing import Any

COLUMNS = ("plate", "well", "wavelength", "od", "flag")
ROWS = "ABCDEFGH"
WELLS = tuple(f"{row}{column}" for row in ROWS for column in range(1, 13))

OVER = "over"  # the detector saturated: the value lies above what the reader can tell
MISSING = "missing"  # the well wasn't read, or somebody masked it

Reading = dict[str, Any]
