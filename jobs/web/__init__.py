"""Pages for the users of the service."""
