"""Extensions of settlement."""
