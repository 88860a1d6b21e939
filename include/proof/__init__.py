"""Source and warehouse compared value by value, by a path that shares nothing with the one that loads."""
