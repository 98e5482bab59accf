"""What every request passes: ids, forwarded addresses, bodies, policies, and the one form of an error."""
