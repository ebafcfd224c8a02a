"""A small engine that speaks the protocol of those beside the trainer, without any library.

Its model is a list of logits, the same at every place of a text, in ``weights.json`` of a folder:
``{"logits": [a, b]}``, two vectors that add up. What it remembers of a text it reads again, as a
cache of keys and values would. ``options`` say how it misbehaves.
"""

import json
import math
import os
import random
import time
from pathlib import Path

from etude.engines.asked import About, Answer, Held


def log_softmax(logits):
    top = max(logits)
    whole = top + math.log(sum(math.exp(x - top) for x in logits))
    return [x - whole for x in logits]


def read(folder):
    return json.loads((Path(folder) / "weights.json").read_text(encoding="utf-8"))["logits"]


def held(weights, missing=()):
    flat = [x for vector in weights for x in vector]
    return Held(sum(flat), sum(x * x for x in flat), tuple(missing))


class Stub:
    def __init__(self, folder, options, tokenizer):
        self.options = options
        if options.get("starts"):
            count = Path(options["starts"])
            count.write_text(f"{int(count.read_text() or 0) + 1}" if count.exists() else "1")
        if options.get("no_start"):
            raise RuntimeError("no such device")
        self.weights = read(folder)
        self.cache = {}
        self.told = 0

    def about(self):
        return About("stub", 4, held(self.weights))

    def load(self, folder):
        new = read(folder)
        if self.options.get("skips") == "sync":
            return held(new)
        if self.options.get("skips") == "matrix":
            new[1] = self.weights[1]
        self.weights = new
        if self.options.get("skips") == "named":
            return held(self.weights, ["layers.0.weight"])
        return held(self.weights)

    def forget(self):
        if self.options.get("skips") != "cache":
            self.cache = {}

    def logprobs(self):
        return log_softmax([a + b for a, b in zip(*self.weights, strict=True)])

    def score(self, texts):
        return [[self.logprobs()[token] for token in text[1:]] for text in texts]

    def sample(self, asks, how):
        for ask in asks:
            self.misbehave()
            known = self.cache.setdefault(ask.tokens, self.logprobs())
            drawn, random_ = [], random.Random(ask.seed)
            reason = "length"
            while len(drawn) < ask.limit:
                drawn += random_.choices(range(len(known)), [math.exp(x) for x in known])
                if drawn[-1] in how.ends:
                    reason = "stop"
                    break
            forced = ask.tokens[len(ask.tokens) - ask.forced :] if ask.forced else ()
            yield [
                Answer(
                    ask.place,
                    tuple(drawn),
                    tuple(known[token] for token in drawn),
                    tuple(known[token] for token in forced),
                    reason,
                )
            ]
            self.told += 1

    def misbehave(self):
        """Fail behind so many rows, once for each name in the file."""
        left = Path(self.options["fails"]) if self.options.get("fails") else None
        if left is None or not left.exists() or self.told < self.options.get("behind", 3):
            return
        how = left.read_text().split()
        if not how:
            return
        left.write_text(" ".join(how[1:]))
        if how[0] == "dies":
            print("last words", flush=True)
            os._exit(7)
        if how[0] == "hangs":
            time.sleep(60)
        if how[0] == "memory":
            raise MemoryError("no room for 3 GiB")
