"""The web server alone: gunicorn with the service's worker and settings, without a database."""
