"""Tumour and blood exomes: read quality, identity, somatic calls and their consequence, force-genotyping."""
