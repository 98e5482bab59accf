"""A login node of Debian 13, whose sshd penalises an address for failed logins, and the service's calls to it."""
