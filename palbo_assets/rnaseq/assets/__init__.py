"""The room's products. The science is in the modules beside this package."""

from palbo_assets.rnaseq.assets.biopsies import (
    expression,
    expression_signatures,
    immune_deconvolution,
    intrinsic_subtype,
    rna_qc,
)
from palbo_assets.rnaseq.assets.cohort import paired_contrasts, paired_expression, paired_sets, rna_identity

SAMPLE_ASSETS = (expression, rna_qc, expression_signatures, intrinsic_subtype, immune_deconvolution)
COHORT_ASSETS = (rna_identity, paired_contrasts, paired_expression, paired_sets)
