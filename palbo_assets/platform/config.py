"""Where an installation keeps its things: ``PALBO_HOME``, ``PALBO_DATABASE_URL``, ``PALBO_REFERENCE``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")


@dataclass(frozen=True)
class Home:
    """The folders and the database of one installation.

    Attributes
    ----------
    root
        ``PALBO_HOME``, default ``.palbo`` in the working directory.
    database_url
        SQLAlchemy URL with an explicit driver.
    reference
        Folder of the reference bundle; it may not exist.
    """

    root: Path
    database_url: str
    reference: Path

    @classmethod
    def at(cls, root: Path, database_url: str = "", reference: Path | None = None) -> Home:
        """The installation in ``root``, on SQLite inside it unless another database is named."""
        root = root.resolve()
        url = explicit_driver(database_url) if database_url else f"sqlite:///{root / 'warehouse.sqlite'}"
        return cls(root=root, database_url=url, reference=(reference or root / "reference").resolve())

    @classmethod
    def from_environment(cls) -> Home:
        reference = os.environ.get("PALBO_REFERENCE")
        return cls.at(
            Path(os.environ.get("PALBO_HOME", ".palbo")),
            os.environ.get("PALBO_DATABASE_URL", ""),
            Path(reference) if reference else None,
        )

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def products(self) -> Path:
        """Readable names of the Parquet products, links into the object store."""
        return self.root / "products"

    @property
    def objects(self) -> Path:
        """Content-addressed store of immutable files."""
        return self.root / "objects"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def pages(self) -> Path:
        """Pages for people: the cohort report and what accompanies it."""
        return self.root / "pages"

    @property
    def releases(self) -> Path:
        """Frozen releases, a folder each."""
        return self.root / "releases"

    @property
    def settings_file(self) -> Path:
        return self.root / "settings.yaml"

    @property
    def dagster_home(self) -> Path:
        return self.root / "dagster"

    def create(self) -> None:
        """Make the folders that don't exist yet."""
        for folder in (self.landing, self.products, self.objects, self.scratch, self.pages, self.dagster_home):
            folder.mkdir(parents=True, exist_ok=True)


def explicit_driver(url: str) -> str:
    """``url`` with the PostgreSQL driver spelled out: SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg2://" + url.removeprefix(scheme)
    return url


def load_settings(model: type[Model], room: str, file: Path) -> Model:
    """A room's thresholds: the model's defaults, overridden by the room's section of ``settings.yaml``.

    Raises
    ------
    PalboError
        ``E_SETTINGS`` naming the section and field that can't be used.
    """
    from pydantic import ValidationError

    section = _read_settings(file).get(room, {})
    try:
        return model.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        raise PalboError(
            "E_SETTINGS",
            f"section {room}: {first['msg']}",
            file=file.name,
            column=".".join(str(part) for part in first["loc"]),
            fix="correct the value, or remove it to use the default",
        ) from None


def check_names(file: Path, known: Mapping[str, Collection[str]]) -> None:
    """Refuse settings that nothing reads: they would be ignored, and nobody would notice the misspelling.

    Parameters
    ----------
    known
        Section -> names of its fields, over all models that read the section.

    Raises
    ------
    PalboError
        ``E_SETTINGS`` naming the section or field, and the nearest name that there is.
    """
    for section, fields in _read_settings(file).items():
        if section not in known:
            raise PalboError(
                "E_SETTINGS",
                f"there is no section {section}",
                file=file.name,
                fix=f"one of {', '.join(sorted(known))}",
            )
        for field in fields:
            if field not in known[section]:
                near = get_close_matches(str(field), sorted(known[section]), n=1)
                raise PalboError(
                    "E_SETTINGS",
                    f"section {section}: there is no such field",
                    file=file.name,
                    column=str(field),
                    fix=f"is {near[0]} meant? remove it otherwise" if near else "remove it",
                )


def _read_settings(file: Path) -> dict[str, Any]:
    import yaml

    if not file.is_file():
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise PalboError(
            "E_SETTINGS", "the file isn't YAML", file=file.name, row=mark.line + 1 if mark else None
        ) from None
    if not isinstance(content, dict) or not all(isinstance(section, dict) for section in content.values()):
        raise PalboError("E_SETTINGS", "the file must map rooms to settings", file=file.name)
    return content
