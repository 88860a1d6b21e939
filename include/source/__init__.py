"""What is asked of the source database, in one snapshot: what changed, which keys there are, the rows themselves."""
