"""Learning-rate schedules: a factor on the peak rate at each step."""
