"""ToteSys's declarations: its source tables, and the star that is made of them."""

from include.tables.declarations import collect

DECLARED = collect(__name__)
