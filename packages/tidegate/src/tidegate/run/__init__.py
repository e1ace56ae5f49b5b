"""A guarded run, seen from the process that supervises it."""
