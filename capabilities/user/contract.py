"""What others see of user."""
