"""What the expenses add up to."""
