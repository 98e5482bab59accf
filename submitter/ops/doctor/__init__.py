"""What `manage.py doctor` looks at: the whole of an installation, one finding after the other."""
