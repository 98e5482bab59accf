"""The registry follows SLURM: polls, their records, and who is told when a job moves."""
