"""Recorded results, in the form that the gallery's data have, and the media that they name."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.media.film import make_film
from airflow_provider_wiro.emulator.media.png import encode_png
from airflow_provider_wiro.emulator.media.poster import draw_poster
from airflow_provider_wiro.emulator.media.wav import make_tune
from airflow_provider_wiro.gallery.page import (
    PAGE_SIZE,
    Card,
    CardState,
    Gallery,
    GalleryRun,
    Media,
    MediaKind,
    Progress,
    Section,
)
from tests.gallery.front.site import Answer, Site, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

DAG, RUN = "studio", "scheduled__2026-11-27T09:00:00+00:00"
RUN_TAIL = f"runs/{DAG}/scheduled__2026-11-27T09%3A00%3A00%2B00%3A00"
LOG = "/dags/studio/runs/scheduled__2026-11-27T09%3A00%3A00%2B00%3A00/tasks/"

_CODE = """from airflow.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator

with DAG("again"):
    WiroRunOperator(
        task_id="poster",
        model="black-forest-labs/flux-2-pro",
        parameters={"prompt": "A lighthouse in the morning fog, oil on canvas", "seed": 42},
    )
"""

ANSWER = """Here are three names for the new line of desk lamps.

1. Halo: short, and it says what the lamp does.
2. Morning: warm light, a calm beginning.
3. Lumen & Oak: material and light together.

I would take Morning. It reads well on a box and in a search field, and nobody else in your market uses it."""


@functools.cache
def picture(number: int, width: int = 640, height: int = 480) -> bytes:
    return encode_png(draw_poster(width, height, f"No {number}", f"seed {number}"))


@functools.cache
def film() -> bytes:
    return make_film(256, 144, 6.0, "A film", "seed 1", [])


@functools.cache
def tune() -> bytes:
    return make_tune("a small tune that lasts for some seconds", "seed 2")


def media_path(task_id: str, index: int, map_index: int = -1, place: str = "-") -> str:
    run_id = RUN_TAIL.rpartition("/")[2]
    return f"/wiro/media/{DAG}/{run_id}/{task_id}/{map_index}/{place}/{index}"


def an_image(task_id: str, index: int = 0) -> Media:
    name = f"0-{index}.png"
    uri = f"s3://product-shots/wiro/2221/{name}"
    return Media(MediaKind.IMAGE, name, "image/png", 202_472, media_path(task_id, index), uri)


def a_card(task_id: str, *media: Media, **changes: object) -> Card:
    card = Card(
        id=task_id,
        title=task_id,
        state=CardState.SUCCEEDED,
        task_id=task_id,
        map_index=-1,
        try_number=1,
        model="black-forest-labs/flux-2-pro",
        prompt="A lighthouse in the morning fog, oil on canvas",
        parameters=(("aspect_ratio", "4:3"), ("steps", "30")),
        seed="42",
        wiro_task_id="2221",
        cost_usd="0.0351",
        elapsed_seconds=6.2,
        media=media,
        links={
            "log": f"{LOG}{task_id}",
            "wiro": "https://wiro.ai/panel/task/2221",
            "s3": "https://eu-west-1.console.aws.amazon.com/s3/object/product-shots?prefix=wiro/2221/0-0.png",
        },
        code=_CODE,
    )
    return replace(card, **changes)  # type: ignore[arg-type]


def studio_cards() -> tuple[Card, ...]:
    """Return a card of each kind."""
    film_media = Media(
        MediaKind.VIDEO,
        "0-0.mp4",
        "video/mp4",
        1_204_811,
        media_path("walk", 0),
        "s3://product-shots/walk/0-0.mp4",
    )
    tune_media = Media(
        MediaKind.AUDIO,
        "0-0.wav",
        "audio/wav",
        402_112,
        media_path("jingle", 0),
        "s3://product-shots/jingle/0-0.wav",
    )
    model_media = Media(
        MediaKind.FILE,
        "desk-lamp.glb",
        "model/gltf-binary",
        4_811_223,
        media_path("mesh", 0),
        "s3://product-shots/wiro/2226/desk-lamp.glb",
    )
    vector = Media(
        MediaKind.FILE,
        "logo.svg",
        "image/svg+xml",
        8_112,
        media_path("logo", 0),
        "s3://product-shots/logo.svg",
    )
    unlanded = Media(
        MediaKind.IMAGE,
        "0.png",
        "image/png",
        90_112,
        None,
        None,
        "It has not landed in S3, so it isn't shown.",
    )
    long_prompt = (
        "A studio photograph of an oak desk lamp with a linen shade on a walnut table, soft window light "
        "from the left, shallow depth of field, a stack of three books and a cup of tea behind it, "
        "muted greens, 85 mm, no people, no text"
    )
    return (
        a_card("poster", an_image("poster"), links={"log": f"{LOG}poster", "wiro": "https://wiro.ai/x"}),
        a_card(
            "product_shots",
            *(an_image("product_shots", index) for index in range(4)),
            title="Desk lamp, oak",
            prompt=long_prompt,
            parameters=tuple((f"option_{number}", str(number * 3)) for number in range(9)),
            seed="7340021",
        ),
        a_card(
            "walk",
            film_media,
            model="wan-ai/wan2.6-t2v",
            prompt="The camera walks through the shop",
            cost_usd="0.42",
            elapsed_seconds=83.0,
            parameters=(("duration", "6"), ("resolution", "720p")),
        ),
        a_card(
            "jingle",
            tune_media,
            model="minimax/music-2.0",
            prompt="A light jingle, marimba and claps",
            seed=None,
            parameters=(("format", "wav"),),
        ),
        a_card(
            "names",
            model="openai/gpt-5.2",
            prompt="Three names for a new line of desk lamps",
            text=ANSWER,
            finish_reason="length",
            seed=None,
            parameters=(("temperature", "0.7"),),
            cost_usd="0.00351",
        ),
        a_card(
            "portrait",
            state=CardState.FAILED,
            error="Wiro task 2225 failed: the model ended with exit code 137 (out of memory). Nothing was "
            "made. The run has cost nothing. Try it with fewer steps or a smaller picture.",
            cost_usd=None,
            try_number=2,
        ),
        a_card("mesh", model_media, model="tencent/hunyuan3d-2.1", seed=None, parameters=()),
        a_card("logo", vector, model="recraft-ai/recraft-v4-vector", seed=None, parameters=()),
        a_card("banner", state=CardState.RUNNING, cost_usd=None, elapsed_seconds=None, parameters=()),
        a_card(
            "flyer",
            state=CardState.QUEUED,
            cost_usd=None,
            elapsed_seconds=None,
            model=None,
            prompt=None,
            parameters=(),
            seed=None,
            code=None,
        ),
        a_card("again", an_image("again"), state=CardState.REUSED, cost_usd="0"),
        a_card("draft", unlanded),
    )


def a_run(*sections: Section, **changes: object) -> GalleryRun:
    run = GalleryRun(RUN, "success", "2026-11-27T09:00:00+00:00", f"/dags/{DAG}/runs/R", sections)
    return replace(run, **changes)  # type: ignore[arg-type]


def single_runs(*cards: Card) -> Section:
    return Section("runs", "Single runs", cards, first=1, total=len(cards))


def batch_cards(first: int, count: int) -> tuple[Card, ...]:
    def card(number: int) -> Card:
        if number % 17 == 0:
            return a_card(
                "shots",
                id=str(number),
                title=f"item-{number:05}",
                state=CardState.FAILED,
                error="Wiro refused the prompt.",
            )
        image = replace(an_image("shots"), url=media_path("shots", 0, place=str(number % 24)))
        return a_card(
            "shots",
            image,
            id=str(number),
            title=f"item-{number:05}",
            prompt=f"Product {number} on a white table",
            seed=str(number),
        )

    return tuple(card(number) for number in range(first, first + count))


def batch_page(at: str, total: int = 10_000) -> Section:
    """Return a page of a batch as its manifest's reader gives it."""
    first = int(at.removeprefix("item-")) if at else 1
    first = max(1, min(first, total))
    count = min(PAGE_SIZE, total - first + 1)
    return Section(
        "shots",
        "shots",
        batch_cards(first, count),
        task_id="shots",
        state="success",
        progress=Progress(total, done=total * 16 // 17, failed=total - total * 16 // 17),
        first=first,
        total=total,
        here=at,
        previous=f"item-{max(1, first - PAGE_SIZE)}" if first > 1 else None,
        next=f"item-{first + PAGE_SIZE}" if first + PAGE_SIZE <= total else None,
        jumps=True,
    )


def gallery(*sections: Section, **changes: object) -> Gallery:
    return replace(Gallery(DAG, (a_run(*sections),)), **changes)  # type: ignore[arg-type]


def serve(site: Site, make: Callable[[str], Gallery], tail: str = f"runs/{DAG}/{RUN}") -> None:
    """Let a path's data be what `make` returns at the moment, given `at`."""
    site.data[tail] = lambda at: json_answer(make(at).to_json())


def serve_media(site: Site) -> None:
    """Serve all that the recorded results name."""

    def of(content: bytes, content_type: str) -> Callable[[], Answer]:
        return lambda: Answer(content, content_type)

    for number, task_id in enumerate(("poster", "again", "banner")):
        site.media[site.root + media_path(task_id, 0)] = of(picture(number), "image/png")
    for index in range(9):
        shape = (480, 640) if index % 2 else (640, 480)
        site.media[site.root + media_path("product_shots", index)] = of(
            picture(10 + index, *shape), "image/png"
        )
    for place in range(24):
        path = media_path("shots", 0, place=str(place))
        site.media[site.root + path] = of(picture(20 + place, 320, 240), "image/png")
    site.media[site.root + media_path("walk", 0)] = of(film(), "video/mp4")
    site.media[site.root + media_path("jingle", 0)] = of(tune(), "audio/wav")
