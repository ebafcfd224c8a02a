"""Updates after the main one of a step."""
