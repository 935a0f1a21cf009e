"""Serum neuregulin-1 by ELISA: plate exports and layouts in, concentrations with their limits of quantification out."""
