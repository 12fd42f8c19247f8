# SPDX-License-Identifier: GPL-3.0-or-later
"""The API described: for programs (``/openapi.json``), and as a page to be read and tried (``/docs``)."""
