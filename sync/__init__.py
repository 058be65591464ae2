"""The road to HQ, both ends of it. The contract for integrators is in README.md."""
