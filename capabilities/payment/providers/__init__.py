"""Payment providers: one protocol, and who speaks it."""
