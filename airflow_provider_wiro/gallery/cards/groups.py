"""Groups: the task instances that dealt with one Wiro task, which are one card."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.left.rows import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_wiro.gallery.left.rows import Instance

#: How many sensors and transfers of one Wiro task are looked at.
_MOST_OTHERS = 6
#: States of a task instance whose try has not begun: a Wiro task that it names is that of an earlier one.
_NOT_BEGUN = frozenset({None, "scheduled", "queued", "upstream_failed"})
#: States of one that has begun, or never will, and has a card of its own only if it names a Wiro task.
_WITHOUT_A_CARD = frozenset({"running", "deferred", "skipped", "removed"})


@dataclass(frozen=True)
class Group:
    """
    One card's task instances of one DAG run.

    :ivar first: the one that started the run; without one, the first that waited for it or landed it.
    :ivar others: sensors and transfers of the same Wiro task, in the order of the DAG.
    """

    first: Instance
    others: tuple[Instance, ...] = ()

    @property
    def members(self) -> tuple[Instance, ...]:
        """All of them."""
        return self.first, *self.others

    def has(self, task_id: str, map_index: int) -> bool:
        """Whether the task instance is one of them; -1 is any of a mapped task."""
        return any(
            one.key.task_id == task_id and map_index in {-1, one.key.map_index} for one in self.members
        )


def groups_of(instances: Iterable[Instance]) -> list[Group]:
    """
    Return the groups of a DAG run, in the order of the DAG.

    A task instance is in one group. Sensors and transfers that nothing is known of yet have a card of their
    own only if no other task of this provider comes before them: otherwise that one's card stands for them.

    :param instances: of one DAG run, in the order of the DAG.
    """
    groups: list[Group] = []
    joined: dict[int, list[Instance]] = defaultdict(list)
    of_wiro_task: dict[str, dict[int, int]] = defaultdict(dict)  # → map index → place among the groups

    def begin(one: Instance) -> None:
        if one.wiro_task_id is not None:
            of_wiro_task[one.wiro_task_id].setdefault(one.key.map_index, len(groups))
        groups.append(Group(one))

    listed = [one for one in instances if one.kind in {Kind.RUN, Kind.SENSOR, Kind.TRANSFER}]
    for one in listed:
        if one.kind is Kind.RUN:
            begin(one)
    for one in listed:
        if one.kind is Kind.RUN:
            continue
        places = of_wiro_task[one.wiro_task_id] if one.wiro_task_id is not None else {}
        place = _fitting(one, places, joined)
        if place is not None:
            joined[place].append(one)
        elif _stands_alone(one):
            begin(one)
    return sorted(
        (replace(group, others=tuple(joined[place])) for place, group in enumerate(groups)), key=_order
    )


def _fitting(
    one: Instance, places: Mapping[int, int], joined: Mapping[int, Sequence[Instance]]
) -> int | None:
    """
    Return the group that a sensor or transfer belongs to; None if there is none with room.

    Several runs can have one Wiro task, if equal inputs were reused: that of the same map index comes first.

    :param places: of the groups with its Wiro task, by their map indexes.
    """
    same = places.get(one.key.map_index)
    listed = places.values() if same is None else (same, *places.values())
    return next((place for place in listed if len(joined.get(place, ())) < _MOST_OTHERS), None)


def _stands_alone(one: Instance) -> bool:
    if not one.task.follows:
        return True
    if one.state in _NOT_BEGUN:
        return False
    return one.wiro_task_id is not None or one.state not in _WITHOUT_A_CARD


def _order(group: Group) -> tuple[int, str, int]:
    key = group.first.key
    return group.first.task.order, key.task_id, key.map_index


def lists_in(instances: Iterable[Instance]) -> Iterator[Instance]:
    """Iterate over the batches and exports."""
    return (one for one in instances if one.kind in {Kind.BATCH, Kind.EXPORT})
