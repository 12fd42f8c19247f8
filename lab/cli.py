# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``python -m lab``."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.debian.build import debian_image
from lab.errors import LabError
from lab.host import Host
from lab.image.build import tiny_image
from lab.lab import DEFAULT_FOLDER, Lab
from lab.storage import DEBIAN, TINY

EXIT_OK, EXIT_FAILED, EXIT_NOT_UP = 0, 1, 3


_ON_LIBVIRTD = {
    "kill": Host.kill_libvirtd,
    "pause": Host.pause_libvirtd,
    "continue": Host.continue_libvirtd,
    "restart": Host.restart_libvirtd,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer the exit code: 0, 1 when it failed, 3 when ``status`` found the lab not up."""
    options = _parser().parse_args(arguments)
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.INFO)
    logging.basicConfig(format="lab: %(message)s", handlers=[screen])
    logging.getLogger("lab").setLevel(logging.INFO)
    try:
        match options.command:
            case "up":
                return _up(Lab(options.dir), options)
            case "down":
                Lab(options.dir).down()
                return EXIT_OK
            case "status":
                return _status(Lab(options.dir))
            case "uri":
                print(Lab(options.dir).host(options.host).uri_by(options.transport))
                return EXIT_OK
            case "kill" | "pause" | "continue" | "restart":
                _ON_LIBVIRTD[options.command](Lab(options.dir).host(options.host))
                return EXIT_OK
            case _:
                print((debian_image() if options.name == DEBIAN else tiny_image()).qcow2)
                return EXIT_OK
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("lab: interrupted; the same command again goes on, lab down removes everything", file=sys.stderr)
        return EXIT_FAILED


def _up(lab: Lab, options: argparse.Namespace) -> int:
    lab.up(options.hosts, tcp=options.tcp, debian=options.image == DEBIAN)
    for host in lab.hosts:
        print(f"{host.name}: {host.uri}")
    return EXIT_OK


def _status(lab: Lab) -> int:
    status = lab.status()
    print(json.dumps(status, indent=2))
    return EXIT_OK if status["up"] else EXIT_NOT_UP


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Private libvirt hosts and a tiny guest image, to try Hostler on."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="the lab's folder (default: %(default)s)")
    up = commands.add_parser("up", parents=[where], help="start the lab, or what of it does not run")
    up.add_argument("--hosts", type=_count, metavar="N", help="how many hosts (default: as many as there are, or 1)")
    up.add_argument("--image", choices=(TINY, DEBIAN), default=TINY, help="debian adds a real Debian to the tiny image")
    up.add_argument(
        "--tcp",
        action="store_true",
        help="listen on TCP, too: whoever is on this machine can do as root then",
    )
    commands.add_parser("down", parents=[where], help="end the lab and remove all it had")
    commands.add_parser("status", parents=[where], help="what the lab has, as JSON; exit code 3 if it is not up")
    uri = commands.add_parser("uri", parents=[where], help="print how a host is reached")
    uri.add_argument("host", metavar="HOST", help="a host's name, such as host1")
    uri.add_argument(
        "transport", nargs="?", choices=("unix", "tls", "ssh", "tcp"), default="unix", help="(default: %(default)s)"
    )
    for name, text in (
        ("kill", "end a host's libvirtd as a crash would (SIGKILL); guests run on"),
        ("pause", "make a host's libvirtd hang (SIGSTOP): it takes connections and does not answer"),
        ("continue", "let a host's paused libvirtd go on (SIGCONT)"),
        ("restart", "start a host's libvirtd anew, whether it runs, hangs or was killed"),
    ):
        on_host = commands.add_parser(name, parents=[where], help=text)
        on_host.add_argument("host", metavar="HOST", help="a host's name, such as host1")
    image = commands.add_parser("image", help="build a guest image if need be, and print its path")
    image.add_argument("name", nargs="?", choices=(TINY, DEBIAN), default=TINY, help="which (default: %(default)s)")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 9:
        raise argparse.ArgumentTypeError("a number from 1 to 9")
    return int(text)
