# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: private libvirt hosts and a tiny guest image, for the demo, the tests and the benchmarks.

Nothing here touches a libvirt, a network or a guest that the machine's user already has. ``python -m lab --help``
lists the commands; `lab.lab.Lab` is the same for Python. docs/lab.md explains both.
"""
