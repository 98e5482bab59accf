"""PURE: SLURM's language: what is asked, and how each answer is read."""
