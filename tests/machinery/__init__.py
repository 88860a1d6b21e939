"""The machinery on small sets of declarations of the tests' own, with nothing of ToteSys."""
