"""HQ's end of the road: a reference receiver that stores, judges and acknowledges what stations send."""
