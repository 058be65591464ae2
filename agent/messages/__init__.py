"""The contract with HQ: one lean item per verb (decisions.md 6)."""
