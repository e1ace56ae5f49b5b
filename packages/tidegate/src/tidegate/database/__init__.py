"""The database: the way to it, who holds what in it, and what it remembers."""
