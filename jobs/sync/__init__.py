"""The registry follows SLURM: polls, what their records change, and notifications of changed jobs."""
