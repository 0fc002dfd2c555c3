"""Extensions of payment."""
