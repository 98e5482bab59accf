"""The files that say whom the service trusts and whom it knows: the trust directory and the grid-mapfile."""
