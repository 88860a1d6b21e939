"""The warehouse over HTTP: routes drawn from the declarations, which are all that it takes of `include`."""
