"""Components that a person names by their place: ``verifier=./reward.py:score``.

``reference`` reads such a name, ``files`` its file and the local files it imports as syntax trees,
``signature`` and ``fields`` what a function or a class asks for and offers, ``describe`` makes a
:class:`etude.entries.ComponentInfo` of that, and nothing of a person's is imported on the way.
``load`` imports it where it is used, ``verifier``, ``objective`` and ``rows`` are what functions
become there, and ``copies`` keeps for a run the files that it began with.
"""
