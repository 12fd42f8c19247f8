# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m awx`` prints the surveys of the playbooks, as ``playbooks/vars/awx_surveys.yml`` has them."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from awx.surveys import surveys

_HEAD = """\
# SPDX-License-Identifier: GPL-3.0-or-later
# What AWX asks before it runs each playbook. Made by scripts/awx-surveys from awx/surveys.py and the options behind the
# questions; don't edit it here.
---
"""


def main() -> None:
    """Print them."""
    # no anchors, which people who copy a question from it can't read
    dumper = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda _dumper, _data: True})
    content = yaml.dump({"awx_surveys": surveys(Path())}, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    sys.stdout.write(_HEAD + content)


if __name__ == "__main__":
    main()
