"""The service's log: one line of JSON for each event, in the web processes and in Celery's."""
