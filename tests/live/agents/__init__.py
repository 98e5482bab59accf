"""Agents on a real login node, asked by this process: what they cost, when they are replaced, what they share."""
