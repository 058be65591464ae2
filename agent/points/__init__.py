"""Points: what a sale earns, and why. Pure values and functions: no clock, chance, I/O or logging.

`rules.parse_bundle` reads a signed bundle, `award.award` applies it to `inputs.AwardInputs`,
`explanation.sentences` says why; `refunds`, `lots` and `ledger` turn awards and refunds into postings.
"""
