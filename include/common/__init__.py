"""What every room may use: connections to PostgreSQL, settings, errors, key sets, what steps tell each other."""
