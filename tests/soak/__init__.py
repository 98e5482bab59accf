"""Many submissions while everything breaks at random, and then the count of what is lost, doubled or unknown."""
