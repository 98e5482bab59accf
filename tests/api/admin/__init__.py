"""The operators' pages, without a cluster: the fake stands at the gateway."""
