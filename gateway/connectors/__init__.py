"""One package per outside system: clients that speak its wire."""
