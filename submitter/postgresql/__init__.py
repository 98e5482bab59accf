"""Django's PostgreSQL backend with a pool that is whole again as soon as the database is."""
