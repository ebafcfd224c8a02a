"""Which of a stage's models are updated in a step."""
