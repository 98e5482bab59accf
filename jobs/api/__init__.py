"""The REST API over the registry: views, serializers, query parameters, headers, and what the schema says."""
