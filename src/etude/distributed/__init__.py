"""Several processes that train one stage: who they are, what they tell each other, shards."""
