"""Who owes whom: what divided expenses come to between people, and the payments that settle it."""
