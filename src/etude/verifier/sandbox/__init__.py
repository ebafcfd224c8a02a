"""Programs of a model run apart from everything: what the operating system gives for that, used.

``process`` is the side of whoever judges, ``judging`` what it does with it. ``launcher`` and
``guardian`` run in processes of their own and import nothing but the standard library.
``printing``, ``calling`` and ``asserting`` run inside, beside the program or in the place of it.
"""
