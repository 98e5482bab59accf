"""The API's description against the running service: each says what the other does."""
