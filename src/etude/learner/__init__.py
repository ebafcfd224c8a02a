"""The learners: what a stage does step by step."""
