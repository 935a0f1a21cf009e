"""What the rooms that read DNA share: alleles, consequences, exact tests, kernels over BAM and VCF.

A library, not a room: no assets, no tables, no settings of its own; thresholds are arguments.
"""
