"""The JSON API for front-ends: one business a key."""
