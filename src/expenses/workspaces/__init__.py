"""Whose expenses these are: households and companies, and who belongs to them in which role."""
