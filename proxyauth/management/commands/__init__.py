"""Commands that check proxies."""
