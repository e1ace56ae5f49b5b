"""Merchants: names that expenses have in common. Derived from the expenses, there is no table of them."""
