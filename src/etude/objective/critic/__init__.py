"""What predicts the rewards to come, for advantages that compare with it."""
