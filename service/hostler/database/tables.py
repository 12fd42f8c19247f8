# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables there are, as the models say; a database's own, such as the index of searches, are none of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

from tortoise.models import Model

from hostler.database.config import MODELS


def table_names() -> list[str]:
    """The names of all tables, each after those that its rows refer to."""
    models = {model.__name__: model for model in _models()}
    order: TopologicalSorter[str] = TopologicalSorter()
    for name, model in sorted(models.items()):
        meta = model._meta  # noqa: SLF001 - Tortoise's way to ask about a model
        # a field names its model as "hostler.User" before Tortoise has started, and after
        referred = [meta.fields_map[field].model_name for field in meta.fk_fields]  # type: ignore[attr-defined]
        order.add(name, *sorted(reference.rpartition(".")[2] for reference in referred))
    return [str(models[name]._meta.db_table) for name in order.static_order()]  # noqa: SLF001 - see above


def columns_of_tables() -> dict[str, list[str]]:
    """The columns of each table, by its name."""
    return {
        str(model._meta.db_table): sorted(model._meta.fields_db_projection_reverse)  # noqa: SLF001 - see above
        for model in _models()
    }


def _models() -> Iterator[type[Model]]:
    for module in MODELS:
        for thing in vars(importlib.import_module(module)).values():
            if isinstance(thing, type) and issubclass(thing, Model) and thing is not Model:
                yield thing
