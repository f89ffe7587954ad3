"""What the tests of the servers have in common."""
