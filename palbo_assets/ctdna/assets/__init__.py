"""The room's products but the molecules (`molecule_assets`). The science is in the modules beside this package."""

from palbo_assets.ctdna.assets.controls import ctdna_controls, ctdna_run_qc
from palbo_assets.ctdna.assets.deliveries import ctdna_background, ctdna_panels, ctdna_wet_lab
from palbo_assets.ctdna.assets.plasmas import ctdna_burden, ctdna_calls, ctdna_qc
from palbo_assets.ctdna.assets.run_neighbours import ctdna_index_hopping
from palbo_assets.ctdna.assets.sample_fitness import ctdna_fitness
from palbo_assets.ctdna.assets.tracking import ctdna_origins, ctdna_residual_disease, patient_genotypes

ASSETS = (
    ctdna_wet_lab,
    ctdna_panels,
    ctdna_background,
    ctdna_controls,
    ctdna_run_qc,
    ctdna_qc,
    ctdna_calls,
    ctdna_burden,
    ctdna_index_hopping,
    ctdna_fitness,
    patient_genotypes,
    ctdna_origins,
    ctdna_residual_disease,
)
