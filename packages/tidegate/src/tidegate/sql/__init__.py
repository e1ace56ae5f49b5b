"""What a statement locks, does and loses, told from its text. No database is asked."""
