"""What is learned of the warehouse's rows: models trained, judged, kept, asked by SQL, and watched."""
