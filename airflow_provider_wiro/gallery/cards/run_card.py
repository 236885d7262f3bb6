"""The card of a run: what its operator, its sensor and its transfers have left, as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.cards.code import code_of
from airflow_provider_wiro.gallery.cards.inputs import Inputs
from airflow_provider_wiro.gallery.cards.links import links_of, log_page
from airflow_provider_wiro.gallery.cards.media import Landing, landed_media, unlanded_media, why_not_shown
from airflow_provider_wiro.gallery.cards.results import (
    EstimateResult,
    RunResult,
    TransferResult,
    read_result,
)
from airflow_provider_wiro.gallery.cards.states import instance_state, is_over, run_state
from airflow_provider_wiro.gallery.cards.texts import (
    LONGEST_ERROR,
    LONGEST_TITLE,
    mapping,
    shown,
    text,
    truncated,
)
from airflow_provider_wiro.gallery.left.rows import Kind, Values
from airflow_provider_wiro.gallery.page import Card, CardState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_wiro.gallery.cards.groups import Group
    from airflow_provider_wiro.gallery.cards.media import MediaRules
    from airflow_provider_wiro.gallery.cards.results import Result
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance, InstanceKey
    from airflow_provider_wiro.gallery.page import Media

_NO_ERROR = "The task failed. Its log says why."
_BEFORE = "A task before this one failed, so it was not run."
_MISSING = Values()


@dataclass(frozen=True)
class _Member:
    """A task instance of the group, with what it has left."""

    instance: Instance
    values: Values
    state: CardState
    result: Result | None

    @property
    def error(self) -> str | None:
        """Why its last try failed; nothing if a person has marked it as a success since."""
        if self.state is CardState.SUCCEEDED:
            return None
        found = mapping(self.values.xcoms.get("wiro_error"))
        said = text(found.get("error"), LONGEST_ERROR)
        if said is None and self.state is CardState.FAILED:
            return _NO_ERROR
        return _BEFORE if said is None and self.instance.state == "upstream_failed" else said


def run_card(
    run: DagRunRow,
    group: Group,
    values: Mapping[InstanceKey, Values],
    rules: MediaRules,
    task_id: str | None = None,
) -> Card:
    """
    Return the card of a group of task instances.

    :param values: of its task instances.
    :param task_id: whose page it is on: of several transfers of the run it shows what this one landed.
    """
    return _RunCard(run, [_member(run, one, values) for one in group.members], rules, task_id).card()


def _member(run: DagRunRow, one: Instance, values: Mapping[InstanceKey, Values]) -> _Member:
    left = values.get(one.key, _MISSING)
    state = instance_state(one.state, is_on_its_way=run.is_on_its_way)
    # What a try that was cleared has left is not this one's result.
    result = read_result(left.xcoms.get("return_value")) if one.state == "success" else None
    return _Member(one, left, state, result)


class _RunCard:
    def __init__(
        self, run: DagRunRow, members: list[_Member], rules: MediaRules, task_id: str | None
    ) -> None:
        self._run = run
        self._task_id = task_id
        self._members = members
        self._first = members[0]
        self._rules = rules
        self._summaries = [(one, one.result) for one in members if isinstance(one.result, RunResult)]
        # A sensor's summary is newer than that of the run that it waited for.
        self._result = self._summaries[-1][1] if self._summaries else _handed_over(members)
        self._inputs = Inputs.rendered(
            self._first.values.rendered if self._first.instance.kind is Kind.RUN else None
        )

    def card(self) -> Card:
        state = self._state()
        blamed = self._blamed(state)
        inputs, result, first = self._inputs, self._result, self._first.instance
        wiro_task_id = self._wiro_task_id()
        transfer = self._transfer(wiro_task_id)
        cost = transfer.result.cost_usd if transfer and isinstance(transfer.result, TransferResult) else None
        label = (inputs.label if inputs else None) or (result.label if result else None)
        return Card(
            id=first.name,
            title=truncated(label or shown(first.title, LONGEST_TITLE), LONGEST_TITLE),
            state=state,
            task_id=first.key.task_id,
            map_index=first.key.map_index,
            try_number=blamed.instance.try_number,
            model=self._model(),
            prompt=inputs.prompt if inputs else None,
            parameters=(*self._estimate(), *(inputs.main if inputs else ())),
            seed=inputs.seed if inputs else None,
            wiro_task_id=wiro_task_id,
            text=result.text if result else None,
            finish_reason=result.finish_reason if result else None,
            error=self._error(blamed),
            cost_usd=cost or (result.cost_usd if result else None),
            elapsed_seconds=result.elapsed_seconds if result else None,
            media=self._media(transfer),
            links=links_of(
                log_page(self._run.dag_id, blamed.instance.key), [one.values for one in self._members]
            ),
            code=code_of(inputs),
        )

    def _state(self) -> CardState:
        state = self._first.state
        if isinstance(self._first.result, EstimateResult):
            return CardState.NOT_RUN
        if state is CardState.SUCCEEDED and self._summaries:
            newest = self._summaries[-1][1]
            state = CardState.REUSED if newest.is_reused else run_state(newest.state) or state
        for one in self._members[1:]:
            if one.state is CardState.FAILED:
                return CardState.FAILED
            if isinstance(one.result, TransferResult) and not is_over(state) and is_over(self._first.state):
                state = CardState.SUCCEEDED  # of a run that nothing waited for, only what has ended can land
            if not is_over(one.state) and is_over(state) and state is not CardState.FAILED:
                state = CardState.RUNNING
        return state

    def _blamed(self, state: CardState) -> _Member:
        """Return the member that a reader wants the log of: the one that failed, else the first."""
        failed = (one for one in self._members if one.state is CardState.FAILED)
        return next(failed, self._first) if state is CardState.FAILED else self._first

    def _error(self, blamed: _Member) -> str | None:
        if blamed.error is not None:
            return blamed.error
        for one in self._members:
            if "return_value" in one.values.unread:
                return truncated(
                    f"The result of {one.instance.name} can't be shown. {one.values.unread['return_value']}",
                    LONGEST_ERROR,
                )
        return None

    def _wiro_task_id(self) -> str | None:
        if self._result is not None and self._result.wiro_task_id is not None:
            return self._result.wiro_task_id
        for one in self._members:
            if isinstance(one.result, TransferResult):
                return one.result.wiro_task_id
        known = (one.instance.wiro_task_id for one in self._members)
        return next((one for one in known if one is not None), None)

    def _transfer(self, wiro_task_id: str | None) -> _Member | None:
        """
        Return the transfer that landed this Wiro task.

        Of several that of the page's own task comes first, then the first whose files can be shown.
        """
        found = [
            one
            for one in self._members
            if isinstance(one.result, TransferResult) and one.result.wiro_task_id == wiro_task_id
        ]
        return min(found, key=self._rank, default=None)

    def _rank(self, transfer: _Member) -> tuple[bool, bool, bool]:
        files, landing = _files(transfer), self._landing(transfer)
        is_shown = any(not why_not_shown(file, landing, self._rules) for file in files)
        return not files, transfer.instance.key.task_id != self._task_id, not is_shown

    def _landing(self, member: _Member) -> Landing:
        return Landing(self._run.dag_id, member.instance, member.values.rendered)

    def _media(self, transfer: _Member | None) -> tuple[Media, ...]:
        for one in filter(None, (transfer, *(member for member, _ in reversed(self._summaries)))):
            if _files(one):
                return landed_media(_files(one), self._landing(one), self._rules)
        if self._result is None or not self._summaries:
            return ()
        return unlanded_media(self._result.outputs, self._rules)

    def _model(self) -> str | None:
        named = self._inputs.model if self._inputs else None
        static = text(self._first.instance.task.arguments.get("model"))
        failed = text(mapping(self._first.values.xcoms.get("wiro_error")).get("model"))
        return named or (self._result.model if self._result else None) or static or failed

    def _estimate(self) -> Iterator[tuple[str, str]]:
        found = self._first.result
        if isinstance(found, EstimateResult):
            yield "estimate", _range(found.min_usd, found.max_usd)


def _range(least: str | None, most: str | None) -> str:
    if least is None and most is None:
        return "not known"
    return f"${most}" if least == most else f"${least or '?'} to ${most or '?'}"


def _files(member: _Member) -> Any:
    if isinstance(member.result, TransferResult):
        return member.result.files
    return member.result.landed if isinstance(member.result, RunResult) else ()


def _handed_over(members: list[_Member]) -> RunResult | None:
    """Return the run summary that a transfer was given by a task of another DAG, say."""
    for one in members:
        found = read_result(mapping(one.values.rendered).get("wiro_task_id"))
        if isinstance(found, RunResult):
            return found
    return None
