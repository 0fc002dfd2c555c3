"""Extensions of marketing."""
