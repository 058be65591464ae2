"""Is the station well: probes that look at one thing each, and what to do about what they find."""
