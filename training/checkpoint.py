"""The checkpoints of a run: files named by their step, the last few kept, the newest good one found again."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from circuits import InputError
from training.atomic_file import PARTIAL
from training.state_file import State, read_state, write_state

NAME = re.compile(r"step(\d+)\.safetensors")


def warn(text: str) -> None:
    """A line for the person at the terminal; the run goes on."""
    print(f"ohmvert: warning: {text}", file=sys.stderr)


@dataclass
class Checkpoints:
    """The folder `checkpoints` of a run folder."""

    run: Path
    keep: int = 3
    """Checkpoints to keep, the newest ones."""
    refused: dict[Path, str] = field(default_factory=dict)
    """Why files could not be used."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.run / "checkpoints"

    def files(self) -> list[Path]:
        """Every checkpoint, the newest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((path for path in found if NAME.fullmatch(path.name)), key=_step, reverse=True)

    def write(self, step: int, state: State) -> None:
        """Keep a state, and of the older ones as many as wanted.

        Raises InputError where it cannot be written; every other checkpoint is then as it was.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_state(self.folder / f"step{step:08}.safetensors", state)
        except (InputError, OSError) as error:
            before = f" {self.files()[0].name} is intact: make room, then --resume {self.run}." if self.files() else ""
            raise InputError(f"The checkpoint of step {step} is lost: {error}{before}") from error
        # Newer ones were refused when the run was resumed here: they are replaced as it comes by.
        for path in [path for path in self.files() if _step(path) <= step][self.keep :]:
            path.unlink(missing_ok=True)

    def newest(self, use: Callable[[State], None]) -> State:
        """The newest state that can be read and that `use` takes without an InputError.

        Every file that is refused is warned about once. Raises InputError with the reasons where none is left.
        """
        files = self.files()
        if not files:
            raise InputError(f"{self.run} holds no checkpoint: --resume takes the folder of a run that has begun.")
        for path in files:
            if path not in self.refused:
                try:
                    state = read_state(path)
                    use(state)
                except InputError as error:
                    self._refuse(path, str(error))
                else:
                    return state
        reasons = "; ".join(f"{path.name}: {self.refused[path]}" for path in files)
        raise InputError(f"No checkpoint of {self.run} can be used: {reasons}.")

    def clear(self) -> None:
        """Remove every checkpoint, and what was left of one that was being written."""
        for path in [*self.files(), *self.folder.glob(f"*{PARTIAL}")]:
            path.unlink(missing_ok=True)

    def _refuse(self, path: Path, reason: str) -> None:
        self.refused[path] = reason
        warn(f"{path.name} is not used: {reason}.")


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match
    return int(match[1])
