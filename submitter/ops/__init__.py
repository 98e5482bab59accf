"""The operators' view of the service: admin site, dashboard, readiness, metrics, and the doctor."""
