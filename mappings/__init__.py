"""How one shape becomes another: the mapping language, its compiler, and the shipped modules."""
