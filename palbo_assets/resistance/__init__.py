"""From the modalities' tables to facts, states of mechanisms, transitions, and the integrated resistance table."""
