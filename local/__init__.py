"""What runs the pipeline on one machine: embedded servers and the source simulator."""
