"""How the service asks a cluster: warm connections and their limits, requests that go together, and what is counted."""
