"""What leaves the house: the cohort page, and later frozen releases and exports."""
