"""What all pages share: the rules for media, and the sections of one DAG run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.connections import reader_of
from airflow_provider_wiro.gallery.cards.groups import groups_of, lists_in
from airflow_provider_wiro.gallery.cards.links import run_page
from airflow_provider_wiro.gallery.cards.media import MediaRules
from airflow_provider_wiro.gallery.left.rows import Values
from airflow_provider_wiro.gallery.media import kind_of, origin_of, why_not_served
from airflow_provider_wiro.gallery.page import Gallery, GalleryRun, Section
from airflow_provider_wiro.gallery.pages.list_sections import list_section
from airflow_provider_wiro.gallery.pages.manifest_place import bucket_of
from airflow_provider_wiro.gallery.pages.origins import Origins
from airflow_provider_wiro.gallery.settings import shows_unlanded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_wiro.gallery.cards.groups import Group
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance, InstanceKey

#: How many batches and exports of a DAG run are on a page, and of how many manifests are read for it.
MOST_LISTS = 20
_MOST_MANIFESTS = 6
#: Until a page is asked for again while something is on its way: most cards, and seconds.
_REFRESH = ((20, 2), (200, 5))
_SLOWEST_REFRESH = 10


def media_rules() -> MediaRules:
    """Return the rules for media by Airflow's configuration."""
    return MediaRules(kind_of, why_not_served, shows_unlanded())


@dataclass
class Building:
    """
    A page that is being built.

    :ivar manifests: how many more manifests may be read for it.
    """

    rules: MediaRules = field(default_factory=media_rules)
    origins: Origins = field(default_factory=lambda: Origins(origin_of))
    manifests: int = _MOST_MANIFESTS

    def see_buckets(
        self, instances: Iterable[Instance], values: Mapping[InstanceKey, Values] | None = None
    ) -> None:
        """
        Note the buckets that tasks land in, also before they have landed anything.

        :param values: of those task instances whose values were read. For the others the DAG file says it.
        """
        seen = set()
        for one in instances:
            left = (values or {}).get(one.key, Values())
            if left.rendered is None and one.key.task_id in seen:
                continue
            seen.add(one.key.task_id)
            bucket = bucket_of(one, left)
            uri = f"s3://{bucket}/-"
            reader = reader_of(one, left.rendered, uri) if bucket is not None else None
            if reader is not None:
                self.origins.see(uri, reader.conn_id)

    def lists(
        self,
        run: DagRunRow,
        instances: Sequence[Instance],
        values: Mapping[InstanceKey, Values],
        most: int | None = None,
    ) -> list[Section]:
        """
        Return the sections of batches and exports.

        :param most: how many cards each has; None: a page.
        """
        sections = []
        for one in instances[:MOST_LISTS]:
            reads = self.manifests > 0
            self.manifests -= 1
            left = values.get(one.key, Values())
            sections.append(list_section(run, one, left, self.rules, self.origins, reads=reads, most=most))
        if len(instances) > MOST_LISTS:
            more = len(instances) - MOST_LISTS
            note = (
                f"{more:,} more batches and exports are on the pages of their own tasks."
                if more > 1
                else "1 more batch or export is on the page of its own task."
            )
            sections.append(Section(id="more", title="More", cards=(), note=note))
        return sections

    def gallery(
        self, dag_id: str, runs: Sequence[GalleryRun], *, refresh: int | None, next_page: str | None = None
    ) -> Gallery:
        """Return the page."""
        sections = [section for run in runs for section in run.sections]
        return Gallery(
            dag_id,
            tuple(runs),
            next=next_page,
            refresh_seconds=refresh,
            origins=self.origins.found(sections),
        )


def split(instances: Iterable[Instance]) -> tuple[list[Group], list[Instance]]:
    """Return the groups of single runs, and the batches and exports, of one DAG run."""
    listed = list(instances)
    return groups_of(listed), list(lists_in(listed))


def gallery_run(run: DagRunRow, sections: Sequence[Section]) -> GalleryRun:
    """Return a DAG run with its sections."""
    return GalleryRun(run.run_id, run.state, run.at, run_page(run.dag_id, run.run_id), tuple(sections))


def refresh_seconds(is_on_its_way: bool, cards: int) -> int | None:
    """Return when a page is asked for again."""
    if not is_on_its_way:
        return None
    return next((seconds for most, seconds in _REFRESH if cards <= most), _SLOWEST_REFRESH)
