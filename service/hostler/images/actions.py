# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an image on a server, and taking one away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from functools import partial
from typing import Any

from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import image_upload, images
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import NewImage, Uploaded
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.bodies import Done
from hostler.database import DatabaseUnavailable
from hostler.engine import Engine
from hostler.errors import BadRequest, Conflict, FieldProblem, NotFound
from hostler.hosts.connection import Lane
from hostler.hosts.models import Server
from hostler.images.conveyor import Conveyor
from hostler.images.marks import expect_mark, forget_mark
from hostler.images.models import Image, ImageAction
from hostler.images.observation import forget, write_down
from hostler.images.schemas import ImageShown
from hostler.images.writing import Writing
from hostler.jobs.crew import StillRunning, Work
from hostler.jobs.idempotency import Attempt, once, result_again
from hostler.jobs.ledger import Order, open_host_job
from hostler.jobs.models import Executor, Job, JobState, StepState
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of_words
from hostler.machines.misfit import bad_field

_NOT_COME = ("upload_cut_off", "upload_stalled")
_LEAVING_SECONDS = 20.0  # after 15 s libvirt gives up a daemon that hangs


async def upload(
    engine: Engine, asked: Asked, server_id: int, image: NewImage, largest: int, content: AsyncIterator[bytes]
) -> ImageShown | DryRun:
    """Write the image to the server's image pool as its bytes come, all or nothing, and answer what it is.

    Nothing of ``content``, of which ``largest`` bytes may come, is read before it is known that the image may come.
    Raises the core's `InvalidSpec` for a name that no image can have, `BadRequest` for an image or a server that can't
    be, `Conflict` for a name that is taken, `TooLarge`, `HostUnreachable`.
    """
    image_upload.check_new_image(image)
    server = await Server.get_or_none(id=server_id)
    if server is None:
        message = f"Server with ID {server_id} not found"
        raise BadRequest(message, code="server_not_found", errors=[FieldProblem("server_id", message)])
    pool = server.image_pool
    if asked.dry_run:
        await _require_room(engine, server, pool, image)
        return dry_run_of_words(f"Upload image '{image.name}' to storage pool '{pool}'", None)
    sent = {"name": image.name, "format": image.format, "size": image.size, "sha256": image.sha256}

    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        await _require_no_upload(server, image.name)
        await _require_room(engine, server, pool, image)
        order = _order(ImageAction.UPLOAD, asked, {"pool": pool, **sent}, attempt)
        async with in_transaction():
            job = await open_host_job(order, server.id)
            await expect_mark(job, server, pool, image.name)
        conveyor = Conveyor(largest)
        work = partial(_write, engine, server, Writing(pool, image, conveyor), job)
        return await _carry_out(engine, asked, job, work, conveyor, content)

    attempt = asked.attempt_at(ImageAction.UPLOAD.value, {"server": server.id, **sent})
    if attempt is not None:
        await _forget_cut_off(attempt)
    done = await once(attempt, engine.crew, asked.preference, begin)
    if "image" in done:
        return ImageShown.model_validate(done["image"])
    # a restart has settled it, and told nobody what it is
    row = await Image.get_or_none(server_id=server.id, name=image.name).select_related("server")
    if row is None:
        raise NotFound(f"Image '{image.name}' was deleted meanwhile", code="image_not_found")
    return ImageShown.of(row)


async def _write(engine: Engine, server: Server, writing: Writing, job: Job, track: JobTrack) -> Mapping[str, Any]:
    title = f"Write the image to storage pool '{writing.pool}'"
    track.step_started(title)
    try:
        done = await _whole(engine.host(server).call(writing.write, lane=Lane.LONG), writing.conveyor)
    except Exception as error:
        failure = _failure(error, writing.image, server)
        track.step_finished(title, StepState.FAILED, detail=str(failure))
        raise failure from error
    finally:
        writing.conveyor.stop()  # nobody takes any more of it
        if not writing.leaves_mark:
            with contextlib.suppress(DatabaseUnavailable):  # the next comparison finds out that it is gone
                await forget_mark(job)
    track.step_finished(title, StepState.SUCCEEDED, changed=True, detail=f"{done.size} bytes")
    row = await write_down(server, done.volume)
    row.server = server
    return {"image": ImageShown.of(row).model_dump(mode="json"), "sha256": done.sha256, "size": done.size}


async def delete(engine: Engine, asked: Asked, row: Image) -> Done | DryRun:
    """Delete the image from its server; raises `Conflict` for one that a VM or another volume needs.

    One that its server no longer has is only forgotten.
    """
    server, name, pool = row.server, row.name, row.pool
    host = engine.host(server)

    def look(hypervisor: Hypervisor) -> bool:
        try:
            images.require_unused(hypervisor, pool, name)
        except core.ImageNotFound:
            return False
        return True

    def remove(hypervisor: Hypervisor) -> bool:
        try:
            images.remove(hypervisor, pool, name)
        except core.ImageNotFound:
            return False
        return True

    async def look_first() -> bool:
        try:
            return await host.call(look)
        except core.WrongState as error:
            raise _in_use(error) from None

    if asked.dry_run:
        verb = "Delete" if await look_first() else "Forget"
        return dry_run_of_words(f"{verb} image '{name}'", None)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        title = f"Delete image '{name}'"
        track.step_started(title)
        try:
            changed = await host.call(remove)
        except core.WrongState as error:  # by now
            raise _in_use(error) from None
        track.step_finished(title, StepState.SUCCEEDED, changed=changed)
        await forget(row.id)
        return {"changed": changed}

    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        await look_first()  # before there is a job, so that nothing is on record of what can't be
        order = _order(ImageAction.DELETE, asked, {"pool": pool, "name": name}, attempt)
        return await engine.crew.carry_out(await open_host_job(order, server.id), work, asked.preference)

    attempt = asked.attempt_at(ImageAction.DELETE.value, {"image": row.id})
    return _deleted(name, server.hostname, await once(attempt, engine.crew, asked.preference, begin))


async def deleted_before(engine: Engine, asked: Asked, image_id: int) -> Done | None:
    """What a delete of an image that is gone was answered, if it was made under the same key."""
    attempt = asked.attempt_at(ImageAction.DELETE.value, {"image": image_id})
    first = None if attempt is None else await attempt.first()
    if first is None:
        return None
    done = await result_again(first, engine.crew, asked.preference)
    server = await Server.get_or_none(id=first.server_id)
    return _deleted(str(first.parameters["name"]), "" if server is None else server.hostname, done)


async def _carry_out(
    engine: Engine, asked: Asked, job: Job, work: Work, conveyor: Conveyor, content: AsyncIterator[bytes]
) -> Mapping[str, Any]:
    """Do the job while its bytes come. However long that takes: only then the client's patience begins to count."""
    carrying = asyncio.create_task(conveyor.carry(content), name=f"job-{job.id}-bytes")
    try:
        return await engine.crew.carry_out(job, work, asked.preference)
    except StillRunning:
        await asyncio.wait([carrying])
        return await result_again(job, engine.crew, asked.preference)
    finally:
        # nobody reads the request when its handler has gone, and the thread must not wait for ever
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


async def _whole(writing: Coroutine[Any, Any, Uploaded], conveyor: Conveyor) -> Uploaded:
    """Wait for the thread that writes; if this is canceled, until it has taken away what it wrote.

    One that is done by then is done.
    """
    call = asyncio.create_task(writing, name="image-writing")
    call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # where nobody waits any more
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        conveyor.stop()
        await asyncio.wait([call], timeout=_LEAVING_SECONDS)
        if call.done() and not call.cancelled() and call.exception() is None:
            return call.result()
        call.cancel()  # it is waiting for its turn, or for a host that hangs: then the next comparison takes it away
        raise


async def _require_no_upload(server: Server, name: str) -> None:
    """Raise `Conflict`, naming the job, while another upload of that name to the server is under way.

    Only for the better message: what holds is the mark on the host.
    """
    running = Job.filter(server_id=server.id, action=ImageAction.UPLOAD.value, state=JobState.RUNNING.value)
    for job in await running:
        if job.parameters.get("name") == name:
            message = f"Image '{name}' is being uploaded to server '{server.hostname}' already (job {job.id})"
            raise Conflict(message, code="image_busy", errors=[FieldProblem("name", message)])


async def _require_room(engine: Engine, server: Server, pool: str, image: NewImage) -> None:
    try:
        await engine.host(server).call(partial(image_upload.check_room, pool_name=pool, image=image))
    except core.NameTaken:
        raise _taken(image, server) from None
    except (core.InvalidSpec, core.NotFound, core.NotEnoughSpace) as error:
        raise bad_field(error) from None


async def _forget_cut_off(attempt: Attempt) -> None:
    """Let an upload be repeated under its key that failed for its bytes did not come: nothing of it was done."""
    first = await attempt.first()
    if first is not None and first.error_code in _NOT_COME:
        await Job.filter(id=first.id, idempotency_key=attempt.key).update(idempotency_key=None, request_hash=None)


def _deleted(name: str, hostname: str, done: Mapping[str, Any]) -> Done:
    more = "" if done.get("changed", True) else f": server '{hostname}' no longer had it"
    return Done(message=f"Image '{name}' deleted successfully{more}")


def _order(action: ImageAction, asked: Asked, parameters: Mapping[str, Any], attempt: Attempt | None) -> Order:
    return Order(
        action=action.value,
        executor=Executor.DIRECT,
        actor=asked.caller,
        parameters=parameters,
        idempotency_key=None if attempt is None else attempt.key,
        request_hash=None if attempt is None else attempt.request_hash,
    )


def _failure(error: Exception, image: NewImage, server: Server) -> Exception:
    if isinstance(error, core.NameTaken):
        return _taken(image, server)
    if isinstance(error, core.InvalidSpec | core.NotFound):
        return bad_field(error)
    if isinstance(error, core.HostUnreachable) or not isinstance(error, core.HostlerError):
        return error
    return type(error)(f"Failed to upload image '{image.name}': {error.message}", error.field)


def _taken(image: NewImage, server: Server) -> Conflict:
    message = f"An image named '{image.name}' already exists on server '{server.hostname}'"
    return Conflict(message, code="name_taken", errors=[FieldProblem("name", message)])


def _in_use(error: core.WrongState) -> Conflict:
    return Conflict(error.message, code="image_in_use")
