"""Enrolment, eligibility, RECIST response, survival; what specimens and deliveries exist; accrual."""
