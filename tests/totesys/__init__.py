"""What is about ToteSys: its declarations, which its users rely on, its simulated source, and the pipeline on both."""
