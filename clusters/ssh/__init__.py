"""SSH: certificates, connections, the agent on a login node, and files over SFTP. Knows no model of ours."""
