"""What was spent: expenses, the categories they belong to, and the record of who changed what."""
