"""What measurements prove: intervals, tests and aggregates on arrays; imports numpy at most."""
