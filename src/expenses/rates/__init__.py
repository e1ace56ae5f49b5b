"""What one currency is worth in another, by day: entered by hand or loaded from a file."""
