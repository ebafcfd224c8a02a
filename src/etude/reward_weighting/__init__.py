"""How named reward parts become one reward."""
