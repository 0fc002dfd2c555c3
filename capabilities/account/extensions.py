"""Extensions of account."""
