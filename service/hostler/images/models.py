# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images, as rows: what the hosts' image pools hold. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from hostler.hosts.models import Server


class ImageAction(StrEnum):
    """What can be done to an image, as its job is called."""

    UPLOAD = "image_upload"
    DELETE = "image_delete"


class Image(Model):
    """A volume of a server's image pool from which disks can be made."""

    id = fields.IntField(primary_key=True, description="Never used again")
    server: fields.ForeignKeyRelation[Server] = fields.ForeignKeyField(
        "hostler.Server", related_name="images", on_delete=fields.CASCADE
    )
    server_id: int
    name = fields.CharField(max_length=255, description="The volume's, unique on its server")
    pool = fields.CharField(max_length=255, description="The storage pool that it was seen in")
    format = fields.CharField(max_length=16, description="qcow2, raw, iso ...")
    capacity = fields.BigIntField(description="Virtual size in bytes: the least that a disk made from it has")
    allocation = fields.BigIntField(description="Bytes that it takes on its server")
    last_seen = fields.DatetimeField(description="UTC, when its server last listed it")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC, when it was first seen")
    updated_at = fields.DatetimeField(auto_now=True, description="UTC")

    class Meta:
        table = "image"
        table_description = "Base images"


class UploadMark(Model):
    """The mark that an upload of ours makes beside its image: written down before it is made, until it is gone.

    Others upload images to the same pool, and theirs have marks of the same names.
    """

    id = fields.IntField(primary_key=True)
    server: fields.ForeignKeyRelation[Server] = fields.ForeignKeyField(
        "hostler.Server", related_name="upload_marks", on_delete=fields.CASCADE
    )
    server_id: int
    job_id = fields.BigIntField(description="The upload, no reference")
    pool = fields.CharField(max_length=255, description="The storage pool")
    name = fields.CharField(max_length=255, description="The image's")

    class Meta:
        table = "upload_mark"
        table_description = "Marks of uploads that may be on their servers"
