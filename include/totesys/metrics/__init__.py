"""The metrics: a file per subject, which declares those whose names begin with the file's."""
