"""The rows of a sweep that is under way, kept beside the table until it is whole."""

import json
from pathlib import Path
from typing import Any

from circuits import InputError


class Part:
    """Rows by key, a line of JSON each, added as they come; a line that was cut short counts as none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        """Finished rows by key."""
        for line in self._lines():
            try:
                key, row = json.loads(line)
                self.rows[key] = dict(row)
            except (ValueError, TypeError):
                continue

    @classmethod
    def of(cls, out: Path) -> "Part":
        """The part beside a table."""
        return cls(out.with_name(out.name + ".part.jsonl"))

    def add(self, rows: dict[str, dict[str, Any]]) -> None:
        """Keep finished rows; InputError where they cannot be written."""
        self.rows |= rows
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as stream:
                # A new line first: the last one may have been cut short.
                stream.write("".join(f"\n{json.dumps(item)}" for item in rows.items()))
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror or error}.") from None

    def remove(self) -> None:
        """The table is whole: nothing is to be resumed."""
        self.path.unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}.") from None
