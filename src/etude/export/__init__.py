"""A finished stage as a folder for the hub, as a row of a leaderboard, and its upload."""
