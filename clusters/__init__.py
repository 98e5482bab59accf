"""Speaks SLURM over SSH; knows no jobs, no users of the service, no HTTP."""
