"""The operations: one file each, or each family. `table.OPERATIONS` is what the routes are made from."""
