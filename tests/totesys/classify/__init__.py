"""Models of ToteSys's payments, on simulated years."""
