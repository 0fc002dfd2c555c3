"""Stays and day trips over the platform's public API: a calendar, a deposit, a balance, a cancellation that says what it costs."""
