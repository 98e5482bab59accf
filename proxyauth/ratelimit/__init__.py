"""Limits on how often a caller or an address may ask, and may be refused."""
