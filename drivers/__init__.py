"""Drivers know devices. They import neither the agent nor the road to HQ (see README.md)."""
