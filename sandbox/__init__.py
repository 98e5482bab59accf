"""A private grid on one machine: databases, two SLURM clusters with login nodes, a CA, and the service itself.

Standard library only, so that a bare machine can run it before anything is installed. Two variables of the caller's
change what `up` does: SANDBOX_MIN_JOB_AGE (see slurm.py) and SANDBOX_WEB_ADDRESS (see service.py).
"""
