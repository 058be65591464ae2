"""What the rows must promise each other, one module per part of the store; `integrity.verify` runs them."""
