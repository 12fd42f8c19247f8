# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``python -m lab.demo up|down``."""

import argparse
import sys
import time
from pathlib import Path

from lab.cache import REPOSITORY
from lab.demo.environment import Environment
from lab.demo.guest import GUEST, guest_with_address
from lab.demo.service import Service
from lab.errors import LabError
from lab.lab import Lab

DEFAULT_FOLDER = REPOSITORY / ".demo"


def main() -> int:
    """Run one command; exit code 0, or 1 with one sentence for what went wrong."""
    parser = argparse.ArgumentParser(prog="demo", description="Hostler with a guest, on this machine.")
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="the demo's folder (default: %(default)s)")
    options = parser.parse_args()
    folder = options.dir.resolve()
    try:
        if options.command == "up":
            up(folder)
        else:
            down(folder)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; the same command again goes on, demo-down removes everything", file=sys.stderr)
        return 1
    return 0


def up(folder: Path) -> None:
    """Start what is not there yet, and say how to use it. Raises LabError."""
    began = time.monotonic()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _say("Starting a private libvirt host (the first time its guest image is built) …")
    lab = Lab(folder / "lab")
    lab.up()
    host = lab.hosts[0]
    _say(f"{'Starting' if not Service(folder).answers() else 'Keeping'} the service …")
    environment = Environment.kept_or_new(folder, libvirt_uri=host.uri)
    environment = Service(folder).up(environment, host.virt_type)
    _say(f"Looking after guest '{GUEST}' (the first time it is made and booted) …")
    vm = guest_with_address(environment)
    address = vm["network"]["ip_address"]
    print(
        f"""
Guest '{vm["name"]}' runs, made over the REST API: address {address}, {vm["resources"]["memory_mb"]} MiB, id {vm["id"]}.

    service    {environment.url}        (its API: {environment.url}/docs)
    user       {environment.user}
    password   {environment.password}

Everything a client needs stands in {_shown(folder)}/env:

    source {_shown(folder)}/env
    curl -H "Authorization: Bearer $HOSTLER_TOKEN" "$HOSTLER_URL/api/vms"
    virsh list --all

'make demo-down' ends it all. ({time.monotonic() - began:.0f} s)"""
    )


def down(folder: Path) -> None:
    """End the service and the lab, and remove the folder; without a demo, do nothing. Raises LabError."""
    Service(folder).down()
    Lab(folder / "lab").down()
    Service(folder).remove()


def _say(line: str) -> None:
    print(line, flush=True)


def _shown(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


if __name__ == "__main__":
    sys.exit(main())
