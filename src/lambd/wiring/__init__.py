"""THE wiring: builds the parts of a machine and of each region, and connects them."""
