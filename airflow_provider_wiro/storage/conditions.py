"""The error of a write under a condition, in any store: there is an object, or another version of it."""

from __future__ import annotations


class ObjectExistsError(Exception):
    """
    There is, or will be, an object of this key, usually another writer's, or another version than expected.

    It is this writer's own if the response to a first call was lost and the store's client has repeated it.

    :ivar is_there: an object is there; else, another conditional put of the same key is under way.
    """

    def __init__(self, key: object = None, *, is_there: bool = True) -> None:
        super().__init__(key)
        self.is_there = is_there
