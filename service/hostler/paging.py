# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of a list: ``?page=1&per_page=20`` in, ``{"items", "total", "page", "per_page", "total_pages"}`` out."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from tortoise.models import Model
from tortoise.queryset import QuerySet

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=Model)

LARGEST_PAGE = 100


class PageRequest(BaseModel):
    """Which page is asked for."""

    page: int = Field(default=1, ge=1, le=10**9, description="Which page, from 1")
    per_page: int = Field(default=20, ge=1, le=LARGEST_PAGE, description="Items on a page")

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return (self.page - 1) * self.per_page

    def total_pages(self, total: int) -> int:
        """Return how many pages ``total`` items fill."""
        return -(-total // self.per_page)


async def _page_request(  # a plain function would cost a thread's hop
    page: Annotated[int, Query(ge=1, le=10**9, description="Which page, from 1")] = 1,
    per_page: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Items on a page")] = 20,
) -> PageRequest:
    return PageRequest.model_construct(page=page, per_page=per_page)


Paging = Annotated[PageRequest, Depends(_page_request)]
"""The parameter of a route that lists: ``paging: Paging``."""


class Page(BaseModel, Generic[T]):
    """One page of a list; a page past the end is empty."""

    items: list[T]
    total: int
    page: int
    per_page: int
    total_pages: int

    @classmethod
    def of(cls, items: list[T], total: int, request: PageRequest) -> Page[T]:
        """Make the page that ``request`` asked for from its items and the number of all."""
        return cls(
            items=items,
            total=total,
            page=request.page,
            per_page=request.per_page,
            total_pages=request.total_pages(total),
        )


async def fetch_page(query: QuerySet[ModelT], request: PageRequest, sort: str = "id") -> tuple[list[ModelT], int]:
    """Return the rows of the page, and the number of all rows of ``query``.

    ``sort`` is a column, with ``-`` before it for the other way round; rows that are alike in it follow by id.
    """
    total = await query.count()
    if request.offset >= total:
        return [], total
    order = (sort,) if sort.lstrip("-") == "id" else (sort, "id")
    return await query.order_by(*order).offset(request.offset).limit(request.per_page), total
