# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a command takes a password from: a prompt, standard input, or chance; never its arguments, which others see."""

from __future__ import annotations

import sys

import typer


def read_password(*, from_stdin: bool, generate: bool) -> str:
    """Return a password that is long enough; a generated one is shown on standard output.

    Raises typer.BadParameter for one that is too short or too long, or for two ways at once.
    """
    from hostler.accounts.passwords import LONGEST, SHORTEST, generate_password

    if from_stdin and generate:
        raise typer.BadParameter("--password-stdin and --generate-password exclude each other")
    if generate:
        password = generate_password()
        typer.echo(f"Password: {password}")
        return password
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise typer.BadParameter("there is no terminal to ask on: give --password-stdin or --generate-password")
    if not SHORTEST <= len(password) <= LONGEST:
        raise typer.BadParameter(f"a password has {SHORTEST} to {LONGEST} characters")
    return password
