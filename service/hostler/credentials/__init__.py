# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers are reached with: SSH keys with the host keys that are expected, and TLS client certificates."""
