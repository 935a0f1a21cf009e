"""No kernel outlives the code that it was compiled from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import palbo_assets
from palbo_assets.kernel_cache import KERNELS, cache_folder

PACKAGE = Path(palbo_assets.__file__).parent


def test_every_module_with_compiled_code_names_the_cache() -> None:
    compiled = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^(import|from) numba\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert compiled == set(KERNELS)


def test_a_changed_kernel_has_a_cache_of_its_own_and_other_changes_keep_it(tmp_path: Path) -> None:
    copy = tmp_path / "palbo_assets"
    for name in (*KERNELS, "trace.py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, copy / name)
    first = cache_folder(copy)
    (copy / "trace.py").write_text("# other\n")
    assert cache_folder(copy) == first
    with (copy / "genomics/mates.py").open("a") as file:
        file.write("# other\n")
    assert cache_folder(copy) != first and cache_folder(copy).parent == first.parent


def test_numba_is_told_unless_somebody_chose_a_folder(tmp_path: Path) -> None:
    code = "import palbo_assets, numba; print(numba.config.CACHE_DIR)"
    plain = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    told = [
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.strip()
        for env in (plain, {**plain, "NUMBA_CACHE_DIR": str(tmp_path)})
    ]
    assert told == [str(cache_folder(PACKAGE)), str(tmp_path)]
