# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a host's rules out of the machine's firewall.

libvirtd takes its rules away when it stops a network; a killed one can't. And it never removes its chains.
"""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lab.commands import run

COMMANDS = ("iptables", "ip6tables")

_CHAIN = "LIBVIRT_"


@dataclass(frozen=True)
class Rule:
    """One rule: its table, its chain, and the words that stand behind the chain's name."""

    table: str
    chain: str
    words: tuple[str, ...]

    @property
    def target(self) -> str:
        """The chain or verdict that the rule jumps to."""
        return self.words[self.words.index("-j") + 1] if "-j" in self.words[:-1] else ""


@dataclass(frozen=True)
class Ruleset:
    """All chains (table, name) and rules of one of the COMMANDS."""

    chains: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, saved: str) -> "Ruleset":
        """Read what ``iptables-save`` prints."""
        chains, rules, table = [], [], ""
        for line in saved.splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":"):
                chains.append((table, line[1:].split()[0]))
            elif line.startswith("-A "):
                _, chain, *words = shlex.split(line)
                rules.append(Rule(table, chain, tuple(words)))
        return cls(tuple(chains), tuple(rules))

    def naming(self, names: Collection[str]) -> list[Rule]:
        """Answer the rules in which one of `names` (a bridge, a subnet) is a word."""
        return [rule for rule in self.rules if any(word in names for word in rule.words)]

    @property
    def libvirt_chains(self) -> list[tuple[str, str]]:
        """The chains that libvirt made."""
        return [(table, chain) for table, chain in self.chains if chain.startswith(_CHAIN)]

    @property
    def libvirt_is_idle(self) -> bool:
        """Whether no chain of libvirt's holds a rule: no network of any libvirtd is active."""
        return not any(rule.chain.startswith(_CHAIN) for rule in self.rules)


def rulesets() -> Iterator[tuple[str, Ruleset]]:
    """Answer the machine's rules, for each of the COMMANDS."""
    for command in COMMANDS:
        yield command, Ruleset.parse(run(f"{command}-save"))


def remove_rules(names: Collection[str]) -> None:
    """Delete every rule that names one of `names`."""
    for command, ruleset in rulesets():
        for rule in ruleset.naming(names):
            run(command, "-w", "-t", rule.table, "-D", rule.chain, *rule.words)


def has_libvirt_chains() -> bool:
    """Answer whether libvirt's chains are there."""
    return any(ruleset.libvirt_chains for _, ruleset in rulesets())


def remove_libvirt_chains() -> None:
    """Delete libvirt's chains and the jumps to them, where no network of any libvirtd needs them."""
    for command, ruleset in rulesets():
        if not ruleset.libvirt_is_idle:
            continue
        for rule in ruleset.rules:
            if rule.target.startswith(_CHAIN):
                run(command, "-w", "-t", rule.table, "-D", rule.chain, *rule.words)
        for table, chain in ruleset.libvirt_chains:
            run(command, "-w", "-t", table, "-X", chain)
