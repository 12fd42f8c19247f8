# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-playbook`` in a fork: what Ansible's own script does, in a process made to be as one just started."""

from __future__ import annotations

import atexit
import fcntl
import importlib
import logging
import os
import signal
import sys
import termios
import threading
import time
import warnings
from pathlib import Path
from typing import NoReturn

from hostler.warm import payload, plugins
from hostler.warm.keeper import Request


def load_ansible() -> None:
    """Import and prepare what every run needs, as far as that is the same for all."""
    import ansible.cli.playbook
    import ansible.executor.process.worker  # noqa: F401
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([])
    # a tenth of a second: the table of what has moved to which collection is nearly 10,000 lines of YAML
    importlib.import_module("ansible_collections.ansible.builtin")
    plugins.load()
    payload.build()


def run_playbook(request: Request) -> NoReturn:
    """Run the playbook and end with its exit code."""
    _become_fresh(request)
    forget_the_server()
    from ansible.cli.playbook import PlaybookCLI

    code = 1
    try:
        PlaybookCLI.cli_executor(request.arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())
    _end(code)


def _become_fresh(request: Request) -> None:
    """Take over what a process inherits from who starts it, and undo what the server has set."""
    os.setsid()
    for number, descriptor in enumerate(request.descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    try:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    except OSError:
        pass  # standard input is no terminal
    os.umask(request.umask)
    os.chdir(request.folder)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in request.ignored else signal.SIG_DFL)
    if signal.SIGINT not in request.ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    sys.argv[:] = request.arguments
    Path("/proc/self/comm").write_text("ansible-playbook")  # for who looks at the list of processes
    time.tzset()
    importlib.invalidate_caches()


def forget_the_server() -> None:
    """Give Ansible what it makes once, when it is imported, anew.

    It reaches for what Ansible doesn't promise, so each server tries it once before it takes any run.
    """
    from ansible import constants
    from ansible.config import manager
    from ansible.utils import vars as variables

    atexit.unregister(manager.cleanup_tmp_file)  # the server's own folder is not the run's to delete
    made_in = constants.DEFAULT_LOCAL_TMP
    constants.DEFAULT_LOCAL_TMP = constants.config.get_config_value("DEFAULT_LOCAL_TMP")
    plugins.give_way()
    payload.hand_out(made_in, constants.DEFAULT_LOCAL_TMP)
    variables.random_int = os.urandom(4).hex()  # part of the ids of plays and tasks
    for handler in logging.getLogger().handlers:
        handler.close()  # an operator's log_path: the file is opened again by its name
    # by the server, which a run is not to be told
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")


def _end(code: int) -> NoReturn:
    """End as the interpreter does, but for taking apart what is in memory: that takes a tenth of a second and more."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads that a plugin has started
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120  # the interpreter's own for it
    os._exit(code)
