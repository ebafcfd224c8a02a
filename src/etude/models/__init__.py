"""The other models a stage may ask for."""
