"""What is told to people and other systems: documents, metrics, mail, lineage, log lines. It moves nothing."""
