"""Functions of a person's own file, one for each place that takes some."""


def judged(response, answer, *, strict: bool = False):
    """Right is an answer that holds the right one; the part brevity is higher for short ones."""
    right = response.strip() == answer if strict else answer in response
    return {"accuracy": float(right), "brevity": 1 / (1 + len(response))}


def weighed(accuracy, lengths, *, price: float = 0.01):
    """Right answers, a little less for each token."""
    return accuracy - price * lengths


def advantages(rewards, mask, *, scale: float = 1.0):
    """The reward above the mean of the step."""
    return (rewards - rewards.mean()).unsqueeze(-1) * mask * scale


def loss(logprobs, old_logprobs, advantages, *, clip: float = 0.2):
    """A clipped ratio."""
    return -(logprobs - old_logprobs).exp().clamp(1 - clip, 1 + clip) * advantages


def near(logprobs, reference_logprobs, advantages, *, weight: float = 0.1):
    """Held to the reference model."""
    return -advantages * logprobs + weight * (logprobs - reference_logprobs).square()


def differing(lengths, *, least: int = 1):
    """Groups whose answers differ in length."""
    return max(lengths) - min(lengths) >= least


def short(prompt, *, most: int = 60):
    """Rows with a short prompt."""
    return len(prompt) <= most


def shared(sizes, pass_rates, *, more: int = 1):
    """An answer more where few were right."""
    return [
        size + more * (rate is not None and rate < 0.5)
        for size, rate in zip(sizes, pass_rates, strict=True)
    ]
