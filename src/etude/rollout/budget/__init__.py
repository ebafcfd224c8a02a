"""How many answers each prompt of a step gets."""
