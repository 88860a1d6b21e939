"""What ToteSys's users rely on: its own declarations, and nothing of the machinery."""
