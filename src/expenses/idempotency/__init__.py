"""`Idempotency-Key`: a request that is sent twice is done once. A route says `@idempotent` (`api`)."""
