"""Tables of rules."""
