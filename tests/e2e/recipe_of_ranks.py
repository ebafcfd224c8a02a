"""A command's stages as several ranks run them, one after the other in one world."""

from __future__ import annotations

import sys

from etude.config.prepare import prepare
from etude.distributed.world import end, joined
from etude.execute import local
from etude.execute.stop import Stop
from etude.plan.graph import build_graph

if __name__ == "__main__":
    with joined(patience=120):
        graph = build_graph(prepare(sys.argv[1:]).runs)
        code = local.run(graph, [], stop=Stop(), record=False)
    end(code)
