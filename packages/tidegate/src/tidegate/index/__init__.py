"""Indexes that are built while the application works: what to do about one, how far it is, what was left behind."""
