"""What a data manager delivers: a REDCap export with its data dictionary, or the SDTM tumour domains of a trial."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.clinical.records import Cohort
    from palbo_assets.clinical.redcap import Dictionary

# Korean resident registration numbers and mobile phone numbers.
_PERSONAL = re.compile(r"\b\d{6}-[1-8]\d{6}\b|\b01[016-9]-?\d{3,4}-?\d{4}\b")


def verify_dictionary(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the data dictionary; see `read_dictionary` for what is refused."""
    from palbo_assets.clinical.redcap import read_dictionary

    known = read_dictionary(path)
    return {"fields": len(known.fields), "instruments": len(known.forms)}


def verify_export(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the export with its dictionary, refuse what identifies people, and count patients and queries.

    Raises
    ------
    InputError
        What `read_cohort` raises; ``E_PHI_FOUND`` for filled identifier fields that the study doesn't use, and for
        cells that look like a resident registration or phone number; ``E_EMPTY`` without any patient of the study.
    """
    from palbo_assets.clinical.redcap import read_dictionary
    from palbo_assets.clinical.summary import read_cohort
    from palbo_assets.platform.text import read_table

    dictionary = context.siblings.get("redcap_dictionary")
    if dictionary is None:
        raise InputError(
            "E_NO_DICTIONARY",
            "codes mean nothing without the data dictionary",
            file=path.name,
            fix="deliver the data dictionary (role redcap_dictionary) with the export",
        )
    refuse_identifiers(path, read_table(path), read_dictionary(dictionary))
    return _found(path, read_cohort(path, dictionary))


def verify_odm(path: Path, claim: Claim, context: Context) -> Finding:
    """Read a project exported as ODM, refuse what identifies people, and count patients and queries.

    Raises
    ------
    InputError
        What `read_odm_cohort` raises; ``E_PHI_FOUND``; ``E_EMPTY`` without any patient of the study.
    """
    from palbo_assets.clinical.odm import read_odm
    from palbo_assets.clinical.summary import read_odm_cohort

    dictionary, table = read_odm(path)
    refuse_identifiers(path, table, dictionary)
    return _found(path, read_odm_cohort(path))


def verify_subjects(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the subjects (DM) with the tumour domains beside them; see `read_sdtm` for what is refused."""
    from palbo_assets.clinical.sdtm import read_domain
    from palbo_assets.clinical.summary import read_sdtm_cohort

    missing = [role for role in SDTM_ROLES if role != "sdtm_dm" and role not in context.siblings]
    if missing:
        raise InputError(
            "E_NO_TUMOUR_DOMAINS",
            "the subjects come without their tumour domains",
            file=path.name,
            fix=f"deliver {', '.join(missing)} with DM",
        )
    refuse_identifiers(path, read_domain(path, "DM"), None)
    return _found(path, read_sdtm_cohort({**context.siblings, "sdtm_dm": path}))


def verify_tumour_domain(path: Path, claim: Claim, context: Context) -> Finding:
    """Read one tumour domain (TU, TR or RS); see `read_domain` for what is refused."""
    from palbo_assets.clinical.sdtm import read_domain

    table = read_domain(path, claim.role.removeprefix("sdtm_").upper())
    refuse_identifiers(path, table, None)
    return {"rows": len(table), "subjects": int(table["USUBJID"].nunique())}


def verify_analysis(path: Path, claim: Claim, context: Context) -> Finding:
    """Read one ADaM dataset (ADTTE or ADRS) as far as it doesn't depend on which parameters the study names.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for missing variables and times that are no numbers, ``E_PHI_FOUND``, and what `read_dataset`
        raises.
    """
    from palbo_assets.clinical.adam import REQUIRED
    from palbo_assets.clinical.datasets import read_dataset
    from palbo_assets.platform.text import number

    dataset = claim.role.removeprefix("adam_").upper()
    table = read_dataset(path, f"ADaM dataset {dataset}", REQUIRED[dataset])
    refuse_identifiers(path, table, None)
    for column in ("AVAL", "CNSR") if dataset == "ADTTE" else ():
        for row, cell in table[column].items():
            number(cell, path=path, row=int(str(row)), column=column)
    return {"rows": len(table), "subjects": int(table["USUBJID"].nunique())}


def _found(path: Path, cohort: Cohort) -> Finding:
    if not cohort.patients:
        raise InputError(
            "E_EMPTY", "no record has a study id", file=path.name, fix="use the study pseudonym as the record's id"
        )
    return {
        "patients": ";".join(patient.patient_id for patient in cohort.patients),
        "n_patients": len(cohort.patients),
        "n_queries": len(cohort.queries) + sum(len(patient.queries) for patient in cohort.patients),
    }


def refuse_identifiers(path: Path, table: pd.DataFrame, dictionary: Dictionary | None) -> None:
    """Raise ``E_PHI_FOUND`` where the export (as text, indexed by line) names people.

    With a dictionary, filled identifier fields that the study doesn't use count too.
    """
    used = {"birth_year"}
    for name in table.columns:
        known = dictionary.fields.get(name) if dictionary else None
        column = table[name]
        suspicious = column.str.contains(_PERSONAL)
        if (
            dictionary
            and known is not None
            and known.identifier
            and name not in used
            and not known.validation.startswith("date")
        ):
            suspicious = suspicious | ((column != "") & (name != dictionary.record_field))
        if suspicious.any():
            raise InputError(
                "E_PHI_FOUND",
                "the column holds what identifies a person",
                file=path.name,
                row=int(column.index[suspicious][0]),
                column=name,
                fix="export without identifier fields, and correct free text that names people",
            )


SDTM_ROLES = {
    "sdtm_dm": "SDTM DM: subjects, first dose, death (CSV or XPT)",
    "sdtm_tu": "SDTM TU: lesions that were identified (CSV or XPT)",
    "sdtm_tr": "SDTM TR: lesions as measured at each visit (CSV or XPT)",
    "sdtm_rs": "SDTM RS: overall responses at each visit (CSV or XPT)",
}

ADAM_ROLES = {
    "adam_adtte": "ADaM ADTTE: the sponsor's progression-free survival (CSV or XPT), compared with the study's own",
    "adam_adrs": "ADaM ADRS: the sponsor's best overall responses (CSV or XPT), compared with the study's own",
}

FORMATS = (
    FileFormat(
        modality="clinical",
        role="redcap_export",
        suffixes=(".csv",),
        scope=Scope.COHORT,
        verify=verify_export,
        description="REDCap data export (CSV, raw or labels) of all instruments",
        needs=(frozenset({"redcap_dictionary"}),),
    ),
    FileFormat(
        modality="clinical",
        role="redcap_dictionary",
        suffixes=("dictionary.csv",),
        scope=Scope.COHORT,
        verify=verify_dictionary,
        description="REDCap data dictionary (CSV) of the same project",
        # A dictionary alone makes nothing due: the export that came with it was refused, or comes later.
        needs=(frozenset({"redcap_export"}),),
    ),
    FileFormat(
        modality="clinical",
        role="odm",
        suffixes=(".odm.xml", ".xml"),
        scope=Scope.COHORT,
        verify=verify_odm,
        description="REDCap project with its data as CDISC ODM (XML); takes the place of export and dictionary",
    ),
    *(
        FileFormat(
            modality="clinical",
            role=role,
            suffixes=tuple(f"{role.removeprefix('sdtm_')}{suffix}" for suffix in (".csv", ".xpt")),
            scope=Scope.COHORT,
            verify=verify_subjects if role == "sdtm_dm" else verify_tumour_domain,
            description=description,
            needs=tuple(frozenset({other}) for other in SDTM_ROLES if other != role),
        )
        for role, description in SDTM_ROLES.items()
    ),
    *(
        FileFormat(
            modality="clinical",
            role=role,
            suffixes=tuple(f"{role.removeprefix('adam_')}{suffix}" for suffix in (".csv", ".xpt")),
            scope=Scope.COHORT,
            verify=verify_analysis,
            description=description,
            # Without records of the patients there is nothing to compare with.
            needs=(frozenset({"redcap_export", "odm", "sdtm_dm"}),),
        )
        for role, description in ADAM_ROLES.items()
    ),
)
