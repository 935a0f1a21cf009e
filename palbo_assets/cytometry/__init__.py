"""Flow cytometry of blood: FCS files, gating and blood counts in, immune sub-populations out."""
