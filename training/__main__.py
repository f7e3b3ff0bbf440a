"""`python -m training` is `ohmvert train`."""

import sys

import typer

from training.cli import run
from training.train_command import train

app = typer.Typer(add_completion=False)
app.command()(train)

if __name__ == "__main__":
    sys.exit(run(app))
