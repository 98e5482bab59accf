"""PURE: the rules that a chain of certificates has to keep."""
