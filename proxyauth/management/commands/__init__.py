"""Commands for the operators of the gate."""
