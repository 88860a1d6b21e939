"""What the state bucket remembers: what was read and loaded, what each run did, how the warehouse is."""
