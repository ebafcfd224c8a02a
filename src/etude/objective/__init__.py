"""What is optimised: presets that name a learner and the parts of its loss."""
