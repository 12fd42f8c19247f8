# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema's history, a file a step. Tortoise's ``makemigrations`` writes them; none is changed once released."""
