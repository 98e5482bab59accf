"""A grid's PKI, minted while the tests run: CAs, users, proxies, trust directories. No key of it is ever stored."""
