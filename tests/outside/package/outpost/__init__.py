"""A package from outside that brings a component of every kind, with no change to etude."""
