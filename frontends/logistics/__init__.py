"""Parcels over the platform's public API: a price by weight and place, booked, tracked, paid in cash at the door."""
