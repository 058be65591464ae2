"""The station's disk: one SQLite file, one writing connection, one file per table family.

The only folder that speaks SQL. See `database.py` for how a transaction is opened and what an
error of the disk means.
"""
