"""How the parts of a mix share its rows."""
