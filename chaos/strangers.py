# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who work on a host by ``virsh``, on domains of their own and on ours."""

from __future__ import annotations

from pathlib import Path

from chaos.worker import Worker
from lab.errors import LabError
from lab.host import Host

THEIRS = "theirs"
_DOMAINS = 8
_DOMAIN = """<domain type='{virt_type}'><name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>{vcpus}</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>
"""


class Stranger(Worker):
    """Somebody with ``virsh`` on one host."""

    def __init__(self, host: Host, folder: Path, seed: int, shortest: float = 0.2, longest: float = 1.0) -> None:
        super().__init__(f"stranger-{host.name}", seed, shortest, longest)
        self._host = host
        self._file = folder / f"{host.name}.xml"

    def act(self) -> None:
        """One command, on whatever is there; most of what can't be is tried as well."""
        names = [f"{THEIRS}-{number}" for number in range(_DOMAINS)]
        name = self.random.choice([*names, *self._of_the_service()])
        commands: list[tuple[str | Path, ...]] = [
            ("start", name, "--paused"),
            ("start", name),
            ("destroy", name),
            ("suspend", name),
            ("resume", name),
            ("reset", name),
            ("autostart", name),
            ("autostart", name, "--disable"),
        ]
        if name in names:
            commands += [
                ("define", self._definition(name)),
                ("define", self._definition(name)),
                ("undefine", name),
                ("managedsave", name),
                ("domrename", name, self.random.choice(names)),
                ("setvcpus", name, "1", "--config"),
            ]
        self._try(*self.random.choice(commands))

    def _try(self, *command: str | Path) -> None:
        try:
            self._host.virsh(*command)
        except LabError:  # there is no such domain, it does not run, libvirtd is gone …
            self.did["virsh refused"] += 1
        else:
            self.did[f"virsh {command[0]}"] += 1

    def _of_the_service(self) -> list[str]:
        try:
            return [name for name in self._host.virsh("list", "--all", "--name").split() if name.startswith("ours")]
        except LabError:
            return []

    def _definition(self, name: str) -> Path:
        values = {"memory": self.random.choice([16, 24, 32]), "vcpus": self.random.choice([1, 2])}
        self._file.write_text(_DOMAIN.format(virt_type=self._host.virt_type, name=name, **values))
        return self._file
