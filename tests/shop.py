# shop.py: a shop with a few things, and money for some of them
import random


class Shop:
    """Buy as much as the money is good for."""

    def __init__(self, things: int = 3, *, money: int = 9):
        self.things = things
        self.money = money

    def reset(self, seed: int, level: int = 1):
        draw = random.Random(seed)
        names = "abcdefgh"[: self.things]
        self.prices = {name: draw.randint(1, 4 * level) for name in names}
        self.left, self.bought, self.named = self.money, [], set()
        listed = ", ".join(f"{name} {price}" for name, price in self.prices.items())
        return [{"role": "user", "content": f"{listed}. You have {self.money}."}]

    def buy(self, thing: str) -> str:
        """Buys a thing.

        Args:
            thing: The name of the thing.
        """
        if self.prices[thing] > self.left:
            raise ValueError("too dear")
        self.left -= self.prices[thing]
        self.bought.append(thing)
        return f"{self.left} left"

    def step(self, text: str):
        self.named |= set(text) & set(self.prices)
        return [{"role": "user", "content": "Buy something, or say bye."}], "bye" in text

    def parts(self) -> dict[str, float]:
        spent = 1 - self.left / self.money
        return {"bought": len(self.bought), "spent": spent, "named": len(self.named) / self.things}
