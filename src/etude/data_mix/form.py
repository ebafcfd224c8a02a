"""How a row of a source becomes an example."""

from __future__ import annotations

from dataclasses import dataclass

from etude.data_mix.part import OpenPart
from etude.data_mix.template import fill
from etude.rows import Example


@dataclass(frozen=True)
class Form:
    """How a row becomes an example: the templates of prompt, response and system text."""

    prompt: str
    response: str | None
    system: str | None

    def example(self, part: OpenPart, position: int) -> Example:
        """Return the row at ``position`` of ``part`` as an example."""
        row = part.row(position)
        system = self.system if self.system is not None else row.get("system")
        return Example(
            id=f"{part.source}:{row['id']}",
            source=part.source,
            prompt=fill(self.prompt, row, "data_mix.prompt_template"),
            response=None
            if self.response is None
            else fill(self.response, row, "data_mix.response_template"),
            system=None if system is None else fill(system, row, "data_mix.system"),
            columns=row,
        )
