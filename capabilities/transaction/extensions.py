"""Extensions of transaction."""
