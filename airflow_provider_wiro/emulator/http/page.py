"""The front page at `/`: the tasks and their outputs, for people."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.files import StoredFile
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

_STYLE = """ body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0
1rem;color:#261c1e;background:#f6eacd} h1{margin:0}.note{background:#261c1e;color:#f6eacd;padding:.6rem
1rem;border-radius:.4rem} article{background:#fffaf0;border:2px solid #261c1e;border-radius:.4rem;margin:1rem
0;padding:.8rem 1rem} img,video{max-width:15rem;max-height:15rem;border:2px solid #261c1e;margin:.3rem .3rem 0
0;vertical-align:top} :target{outline:4px solid #c2410c}
code{background:#f1e2bd;padding:0 .3rem}blockquote{margin:.4rem 0;font-style:italic}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Wiro emulator</title>
<meta http-equiv="refresh" content="5"><style>{style}</style></head><body>
<h1>Wiro emulator</h1>
<p class="note">This is a local emulator of the Wiro API, for development and tests. No model runs here:
the pictures, films, tunes and texts are made up from the requests, and nothing is billed.</p>
<p>API <code>{url}/v1</code> &middot; <a href="/__emulator__/state">state</a> &middot;
<a href="/__emulator__/faults">armed faults</a> &middot;
{tasks} tasks, {active} active; they would have cost ${spent}</p>
{items}
{earlier}
</body></html>
"""
_SHOWN_TASKS = 50
"""This many of the newest tasks are shown with their outputs; the earlier ones have a line each."""


class Page:
    """Serves the root page."""

    def __init__(self, world: World) -> None:
        """Show `world`."""
        self._world = world

    async def serve(self, request: web.Request) -> web.Response:
        """Respond with the page, which reloads itself every few seconds."""
        tasks, statistics = list(self._world.tasks)[::-1], self._world.statistics
        items = "".join(map(self._task, tasks[:_SHOWN_TASKS])) or "<p>No task has been run yet.</p>"
        earlier = "".join(map(self._line, tasks[_SHOWN_TASKS:]))
        html = _PAGE.format(
            style=_STYLE,
            url=escape(self._world.base_url),
            earlier=f"<h2>Earlier tasks</h2><ul>{earlier}</ul>" if earlier else "",
            tasks=len(tasks),
            active=statistics.active,
            spent=f"{statistics.spent_usd:f}",
            items=items,
        )
        return web.Response(text=html, content_type="text/html")

    def _task(self, task: Task) -> str:
        now = self._world.now()
        outputs = "".join(_file(file) for file in task.outputs(self._world.files, now))
        answer = task.rendering.answer if task.has_succeeded(now) else None
        text = "" if answer is None else f"<p>{escape(answer.merged)}</p>"
        return (
            f'<article id="{_anchor(task)}"><b>{escape(task.id)}</b> '
            f"<code>{escape(task.inputs.model.slug)}</code> "
            f"<code>{escape(task.status(now))}</code> {task.elapsed_seconds(now):.1f} s, ${task.cost(now):f}"
            f"<blockquote>{escape(task.inputs.caption[:300])}</blockquote>{text}{outputs}</article>"
        )

    def _line(self, task: Task) -> str:
        slug, status = task.inputs.model.slug, task.status(self._world.now())
        return f'<li id="{_anchor(task)}">{escape(task.id)} {escape(slug)} {escape(status)}</li>'


def _anchor(task: Task) -> str:
    """Return the fragment to which Airflow's "Wiro task" button leads."""
    return escape(f"task-{task.id}", quote=True)


def _file(file: StoredFile) -> str:
    # A path without the host works under every name of this server.
    url = escape(file.url("/cdn"), quote=True)
    kind = file.content_type.split("/")[0]
    if kind == "image":
        return f'<a href="{url}"><img src="{url}" alt="{escape(file.name, quote=True)}"></a>'
    if kind in {"video", "audio"}:
        return f'<{kind} src="{url}" controls preload="metadata"></{kind}>'
    return f'<a href="{url}">{escape(file.name)}</a> ({file.content.size} bytes)'
