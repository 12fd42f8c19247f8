# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm start: a process that has Ansible imported, and forks for each run.

The one place of the service that imports ``ansible``, in a process of its own. Who does what:

- `hostler.runner.warm_start`, in the service, starts the server, and starts another when that one is gone or stale.
- `launcher` is what ansible-runner starts in place of ``ansible-playbook``. It hands what it was given to the server,
  waits, and ends as the run ended; where there is no server it becomes ``ansible-playbook``.
- `server` imports Ansible, listens, forks, and knows nothing of any run.
- `keeper`, the first fork, takes the run's environment, waits for the second, and tells the launcher how it ended.
- `playbook`, the second fork, makes itself what a process just started would be, and runs the playbook.

docs/decisions/warm-start.md says why, and why it is safe. Nothing here may import another room of the service: a
process that has the core imported can't load Ansible's plugins.
"""
