"""What the admin pages of all apps share: read-only pages, a bounded pager, and filters that are known or refused."""
