"""What DNA costs, in one run: reads to evidence, raw UMI reads to molecules, callers' files to columns.

Each against its peers on the same input, in CPU seconds and peak memory, at 1, 4 and 16 times the data; see
`dna_evidence.py`, `dna_consensus.py` and `dna_vcf.py` for what is compared. ``--smoke`` runs small input, and
``evidence``, ``consensus`` or ``vcf`` only that part.
"""

from __future__ import annotations

import argparse

import dna_consensus
import dna_evidence
import dna_vcf

PARTS = {"evidence": dna_evidence.main, "consensus": dna_consensus.main, "vcf": dna_vcf.main}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    parser.add_argument("--smoke", action="store_true", help="small input, in less than a minute")
    stated = parser.parse_args()
    for part in stated.parts or PARTS:
        PARTS[part](stated.smoke)


if __name__ == "__main__":
    main()
