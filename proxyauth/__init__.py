"""Who is calling: grid proxy certificates in, accounts out. Knows no jobs, no clusters."""
