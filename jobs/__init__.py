"""What the service is about: the registry of jobs and the REST calls on it."""
