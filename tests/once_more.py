# once_more.py: an answer, a word about it, another answer, which is judged
def again(stage, *, told: str = "\nAgain: ", first: int = 12):
    rows = stage.sample("policy", stage.contexts, max_new_tokens=first)
    return stage.sample("policy", [stage.tell(row, told) for row in rows])


def once(stage):
    return stage.sample("policy", stage.contexts)
