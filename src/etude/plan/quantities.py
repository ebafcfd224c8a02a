"""Numbers as a person reads them: durations, sizes, counts and config values."""

from __future__ import annotations

from typing import Any

_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def count(value: float) -> str:
    """Return a count with two or three digits: ``0.8M``, ``1.7B``, ``12k``, ``640``."""
    for unit, suffix in _COUNTS:
        # 825,000 parameters read better as 0.8M than as 825k.
        if value >= unit * (0.5 if suffix in "BM" else 1):
            scaled = value / unit
            return f"{scaled:.0f}{suffix}" if scaled >= 9.95 else f"{scaled:.1f}{suffix}"
    return f"{value:.0f}"


def size(octets: float) -> str:
    """Return bytes in binary units: ``3.2 GiB``, ``640 KiB``, ``12 B``."""
    for unit, suffix in _SIZES:
        if octets >= unit:
            scaled = octets / unit
            return f"{scaled:.0f} {suffix}" if scaled >= 9.95 else f"{scaled:.1f} {suffix}"
    return f"{octets:.0f} B"


def duration(seconds: float) -> str:
    """Return seconds as ``h:mm:ss``, with days in front of long ones (``2 d 3:04:05``)."""
    total = max(0, round(seconds))
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, second = divmod(rest, 60)
    clock = f"{hours}:{minutes:02d}:{second:02d}"
    return f"{days} d {clock}" if days else clock


def number(value: Any) -> str:
    """Return a config value as it would be typed: ``0.2``, ``1e-4``, ``true``, ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != 0 and not 1e-3 <= abs(value) < 1e6:
            mantissa, _, exponent = f"{value:.6e}".partition("e")
            return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
        text = f"{value:.6f}".rstrip("0").rstrip(".")
        return text if "." in text or abs(value) >= 10 else f"{text}.0"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(number(item) for item in value) + "]"
    return str(value)


def counted(amount: int, noun: str) -> str:
    """Return ``1 stage`` or ``3 stages``."""
    plural = noun if amount == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{amount:,} {plural}"
