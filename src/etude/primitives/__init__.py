"""Shared arithmetic of the objectives: masked means, ratios, KL estimators."""

#: Raised whenever a change here can change a result; it enters every stage's fingerprint.
PRIMITIVES_VERSION = 1
