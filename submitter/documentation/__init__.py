"""The reference in docs/reference/, which `manage.py makereference` writes from the code."""
