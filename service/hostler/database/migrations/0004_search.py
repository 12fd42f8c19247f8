# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of the models: it is there so that a database of before gets what `hostler.database.search` describes."""

from tortoise import migrations


class Migration(migrations.Migration):
    """Has indexes made that are new; every migration does."""

    dependencies = [("hostler", "0003_pool_space")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = []  # noqa: RUF012 - Tortoise reads it from the class
