"""
Models whose schemas have what some real ones have: open types, absurd bounds, odd defaults, or nothing.

Their names are made up.
"""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import NO_BOUND, Model, Parameter, Price, Timing, select

POSTER_STUDIO = Model(
    id="2301",
    owner="wiro",
    project="poster-studio",
    title="Poster Studio",
    description="A poster with a layout of its own. Its schema has each type that is seen among real models.",
    categories=("tool", "text-to-image"),
    output="image",
    timing=Timing(queue=1, prepare=1, run=3, finish=1),
    prices=(Price(0.01, "cpo"),),
    groups={
        "Input": (
            Parameter("prompt", "textarea", required="true", minimum=1, maximum=500),
            Parameter("inputImage", "combinefileinput", label="Pictures to start from"),
            Parameter(
                "layout",
                "jsonschema",
                json_schema={"type": "array", "items": {"type": "object"}},
            ),
        ),
        "Settings": (
            # The default is none of the options: one real model has `Auto` against `auto`, too.
            select("ratio", "auto", "1:1", "16:9", default="Auto", kind="selectwithcover"),
            select("inks", "black", "red", "blue", default=("black",), kind="multiselect"),
            Parameter("samples", "integer", default="1", minimum=1, maximum=4),
            Parameter("steps", "numeric", default="20", minimum=0, maximum=NO_BOUND),
            Parameter("strength", "range", default="0.3", minimum=0, maximum=1, step=0.1),
            Parameter("tiled", "checkbox", default="false"),
            Parameter("width", "number", default="64", minimum=64, maximum=2048, step=64),
            Parameter("height", "number", default="64", minimum=64, maximum=2048, step=64),
            Parameter("seed", "number", minimum=0, maximum=NO_BOUND, advanced=True),
        ),
    },
)

SURPRISE = Model(
    id="2302",
    owner="wiro",
    project="surprise",
    title="Surprise",
    description="Makes what it likes. Wiro lists no parameters for it (`parameters: null`).",
    categories=("tool", "text-to-image"),
    output="image",
    timing=Timing(queue=1, prepare=1, run=2, finish=1),
    prices=(Price(0.01, "cpr"),),
    groups={},
)

ODD_MODELS = (POSTER_STUDIO, SURPRISE)
