"""What the station does, one verb per file: short stories inside one transaction of the till.

A handler gets the event, the open transaction, the station's facts (`Site`) and one `Instant` for
the whole story. Expected refusals are returned; nothing here reads a clock or touches a wire.
"""
