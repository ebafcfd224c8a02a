"""Shared arithmetic of the objectives: masked means, ratios, KL estimators."""
