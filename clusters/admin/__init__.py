"""The operators' pages of clusters: the list and the form (cluster), and what is done to one (operate)."""

from clusters.admin.cluster import ClusterAdmin

__all__ = ["ClusterAdmin"]
