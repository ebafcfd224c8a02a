"""Where metrics go besides the stage folder."""
