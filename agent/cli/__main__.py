"""`python -m agent.cli` is the same command as `forecourt`; the demo starts its processes this way."""

from agent.cli import main

main()
