"""What a model takes, what it makes of it, and what that costs."""
