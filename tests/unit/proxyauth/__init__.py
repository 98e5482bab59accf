"""The gate, tried with a grid that is minted for the tests."""
