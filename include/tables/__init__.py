"""What is moved: source tables, warehouse tables, and what hangs on what. The only room that a new table touches."""
