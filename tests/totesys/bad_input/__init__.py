"""What bad input gets: one clear error that says what to do, and nothing moves on; or a rejected row beside others."""
