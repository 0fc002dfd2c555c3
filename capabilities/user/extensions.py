"""Extensions of user."""
