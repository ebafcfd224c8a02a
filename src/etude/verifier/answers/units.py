"""Units behind or before a number: read, left out, converted, or in contradiction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from etude.verifier.answers.phrases import listed

_METRE, _FOOT = Fraction(1), Fraction("0.3048")
_LITRE, _GALLON = Fraction(1, 1000), Fraction("0.003785411784")
_GRAM, _POUND = Fraction(1), Fraction("453.59237")

#: Names of a unit → (its kind, its size in the kind's first unit). Kinds never turn into each
#: other, but for lengths raised to a power and speeds.
_UNITS: dict[str, tuple[dict[str, int], Fraction]] = {}


def _add(kind: str | dict[str, int], size: Fraction | int, names: str) -> None:
    powers = {kind: 1} if isinstance(kind, str) else kind
    for name in names.split(","):
        _UNITS[name.strip()] = (powers, Fraction(size))


_add("length", _METRE, "m, meter, meters, metre, metres")
_add("length", Fraction(1, 100), "cm, centimeter, centimeters, centimetre, centimetres")
_add("length", Fraction(1, 1000), "mm, millimeter, millimeters, millimetre, millimetres")
_add("length", 1000, "km, kilometer, kilometers, kilometre, kilometres, kms")
_add("length", _FOOT, "ft, foot, feet")
_add("length", _FOOT / 12, "inch, inches")
_add("length", 3 * _FOOT, "yd, yard, yards")
_add("length", 5280 * _FOOT, "mi, mile, miles")
_add("mass", _GRAM, "g, gram, grams")
_add("mass", 1000, "kg, kilogram, kilograms, kgs, kilo, kilos")
_add("mass", Fraction(1, 1000), "mg, milligram, milligrams")
_add("mass", _POUND, "lb, lbs, pound, pounds")
_add("mass", _POUND / 16, "oz, ounce, ounces")
_add("time", 1, "s, sec, secs, second, seconds")
_add("time", 60, "min, mins, minute, minutes")
_add("time", 3600, "h, hr, hrs, hour, hours")
_add("time", 86_400, "day, days")
_add("time", 604_800, "week, weeks")
_add("months", 1, "month, months")
_add("months", 12, "year, years, yr, yrs")
_add({"length": 3}, _LITRE, "L, l, liter, liters, litre, litres")
_add({"length": 3}, _LITRE / 1000, "mL, ml, milliliter, milliliters, millilitre, millilitres")
_add({"length": 3}, _GALLON, "gallon, gallons, gal")
_add({"length": 3}, _GALLON / 4, "quart, quarts")
_add({"length": 2}, 10_000, "hectare, hectares, ha")
_add({"length": 2}, Fraction("4046.8564224"), "acre, acres")
_add({"length": 1, "time": -1}, 5280 * _FOOT / 3600, "mph")
_add({"length": 1, "time": -1}, Fraction(1000, 3600), "kph, kmh")
_add("dollar", 1, "dollar, dollars, usd, USD")
_add("dollar", Fraction(1, 100), "cent, cents, ¢")
_add("euro", 1, "euro, euros, EUR, eur")
_add("sterling", 1, "GBP, gbp, pounds sterling")
_add("yen", 1, "yen, JPY")
_add("yuan", 1, "yuan, RMB, CNY")
_add("rupee", 1, "rupee, rupees, INR")
_add("angle", 1, "degree, degrees, deg")
_add("radian", 1, "rad, rads, radian, radians")
_add("celsius", 1, "celsius")
_add("fahrenheit", 1, "fahrenheit")
_add("kelvin", 1, "kelvin, kelvins")
_add("force", 1, "newton, newtons")
_add("energy", 1, "joule, joules")
_add("power", 1, "watt, watts")
_add("voltage", 1, "volt, volts")
_add("frequency", 1, "hertz, Hz")

_SIGNS = {"\\$": "dollar", "$": "dollar", "€": "euro", "£": "sterling", "¥": "yen", "₹": "rupee"}
_BEFORE = re.compile(r"^\s*([-+]?)\s*(?:(?:US|us)\s?)?(\\\$|\$|€|£|¥|₹|USD\s)\s*(?=[-+\d.\\(]|$)")
_BEHIND = re.compile(r"\s*(\\\$|\$|€|£|¥|₹)\s*$")
_DEGREE = re.compile(
    r"\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*(?:(?:\\text\s*\{\s*)?([CFK])(?:\s*\})?)?\s*$"
)
_PERCENT = re.compile(
    r"\s*(?:\\?%|(?:\\text\s*\{\s*)?(?:per\s?cent|percentage(?:\spoints?)?|pct\.?)(?:\s*\})?)\s*$",
    re.IGNORECASE,
)
#: What a run of unit words is made of: words, plain or as text, powers, and the slash.
_RUN = re.compile(
    r"(?:\s*(?:\\text\s*\{([^{}]*)\}|\\cdot(?![a-z])|/"
    r"|(?<![A-Za-z.'¢-])[A-Za-z¢][A-Za-z.'¢-]*"  # a whole word: parts of one are tried without end
    r"|\^\s*(?:\{\s*-?[123]\s*\}|-?[123](?!\d))))+\s*$"
)
_PART = re.compile(r"[A-Za-z¢][A-Za-z.'¢-]*|/|\^\s*\{?\s*-?\d\s*\}?")
_CONNECTING = listed(
    "or and to by if is mod choose for where when with such that as in the not from"
)
_RAISING = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}


@dataclass(frozen=True)
class Unit:
    """A unit: what it measures as powers of kinds, and its size; words that are none are kept."""

    kinds: tuple[tuple[str, int], ...] = ()
    size: Fraction = Fraction(1)
    words: str = ""

    @property
    def known(self) -> bool:
        """Return whether it is more than words."""
        return bool(self.kinds)


#: Pounds of weight and pounds of money have one name.
_BOTH_POUNDS = {(("mass", 1),), (("sterling", 1),)}

PERCENT = Unit(words="%")
DEGREE = Unit((("angle", 1),))


def without_unit(text: str, *, letters: bool = True) -> tuple[str, Unit | None]:
    """Return a cleaned answer without its unit, and the unit (None where it has none).

    The unit is a currency sign, a degree or percent sign, or words at the end that stand as text
    or behind a number. A single letter that is no text (``5 m``) counts where ``letters`` is set
    and it stands apart from the number.
    """
    if (match := _PERCENT.search(text)) is not None and match.start():
        return text[: match.start()].strip(), PERCENT
    if (match := _DEGREE.search(text)) is not None and match.start():
        kinds = {"C": "celsius", "F": "fahrenheit", "K": "kelvin"}
        kind = kinds.get(match.group(1) or "", "angle")
        return text[: match.start()].strip(), Unit(((kind, 1),))
    if (match := _BEFORE.search(text)) is not None:
        sign = _SIGNS.get(match.group(2).strip(), "dollar")
        rest, _ = without_unit(match.group(1) + text[match.end() :])
        return rest.strip(), Unit(((sign, 1),))
    if (match := _BEHIND.search(text)) is not None and match.start():
        return text[: match.start()].strip(), Unit(((_SIGNS[match.group(1)], 1),))
    return _words_behind(text, letters=letters)


def _words_behind(text: str, *, letters: bool) -> tuple[str, Unit | None]:
    if len(text) > 400 or (match := _RUN.search(text)) is None:
        return text, None
    begin = match.start()
    while begin < len(text):
        run, head = text[begin:], text[:begin].rstrip()
        if head and _may_follow(head, run, letters=letters):
            return head, unit_of(run)
        step = re.match(r"\s*(?:\\text\s*\{[^{}]*\}|[A-Za-z.'-]+|\S)", run)
        if step is None:
            break
        begin += step.end()
    return text, None


def _may_follow(head: str, run: str, *, letters: bool) -> bool:
    """Return whether a run of words is a unit of what stands before it, and no part of it."""
    first = run.lstrip()
    word = re.match(r"(?:\\text\s*\{\s*,?\s*)?([A-Za-z¢]+)", first)
    name = word.group(1) if word is not None else ""
    if not name or name.casefold() in _CONNECTING:
        return False
    if first.startswith("\\text"):
        return True
    if not re.search(r"[\d)}]$", head):
        return False
    if len(name) == 1:
        return letters and name in _UNITS and run != first and bool(re.search(r"\d$", head))
    known = name.casefold() in _UNITS or name in _UNITS or name.casefold() in _RAISING
    return known or (len(name) >= 3 and run != first) or (len(name) >= 4 and head[-1].isdigit())


def unit_of(text: str) -> Unit:
    """Return the unit that words name (``square cm``, ``miles per hour``, ``m/s^2``)."""
    plain = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", text).replace("\\cdot", " ")
    kinds: dict[str, int] = {}
    size, side, raised, last = Fraction(1), 1, 1, ("", 0)
    for part in _PART.findall(plain):
        name = part.strip(".")
        low = name.casefold()
        if low in ("per", "/", "a", "an", "each") and (kinds or last[0]):
            side = -1 if low in ("per", "/") else side
        elif low in ("squared", "cubed") or part.startswith("^"):
            power = _RAISING.get(low) or int(re.sub(r"[^-\d]", "", part))
            if not last[0]:
                return Unit(words=" ".join(plain.split()))
            powers, each = _UNITS[last[0]]
            for kind, own in powers.items():
                kinds[kind] = kinds.get(kind, 0) + own * last[1] * (power - 1)
            size *= each ** (last[1] * (power - 1))
        elif low in _RAISING:
            raised = _RAISING[low]
        else:
            key = name if name in _UNITS else low
            if key not in _UNITS:
                return Unit(words=" ".join(plain.split()))
            powers, each = _UNITS[key]
            for kind, own in powers.items():
                kinds[kind] = kinds.get(kind, 0) + own * side * raised
            size *= each ** (side * raised)
            last, raised = (key, side * raised), 1
    held = tuple(sorted((kind, power) for kind, power in kinds.items() if power))
    return Unit(held, size, "" if held else " ".join(plain.split()))


def factor(given: Unit | None, gold: Unit | None) -> Fraction | None:
    """Return by what a given number is multiplied to be in the right answer's unit.

    1 where either has none, or words only; None where they measure different things.
    """
    if given is None or gold is None or not given.known or not gold.known:
        return Fraction(1)
    if given.kinds != gold.kinds:
        both = {each.kinds for each in (given, gold)}
        return Fraction(1) if both == _BOTH_POUNDS else None
    return given.size / gold.size


def is_unit(name: str) -> bool:
    """Return whether a word is the name of a unit."""
    return name in _UNITS or name.casefold() in _UNITS
