"""The operators' pages in a real browser, on the running sandbox."""
