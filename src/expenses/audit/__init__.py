"""The record of who changed what: what an event is, and how it is written. Reading it is `history`."""
