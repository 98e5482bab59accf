"""Everything is broken on purpose, on an own instance of the service beside the sandbox's."""
