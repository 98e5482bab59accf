"""gunicorn's configuration, its worker with bounds on slow clients, and its log."""
