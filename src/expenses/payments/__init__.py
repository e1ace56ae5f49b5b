"""Payment accounts: what expenses are paid from, such as a purse, a bank account or a card."""
