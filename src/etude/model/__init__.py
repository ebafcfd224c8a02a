"""The model that is trained: how it is made or loaded, and how it is handed on."""
