"""
Models that make pictures.

`retroAIx/Retro-Cartoons` has the parameters that Wiro lists for the real model. The others show
how real models take files; their ids and defaults follow real ones (`wiro/image-edit-general`, and the
"Virtual Try-On" of Wiro's documentation).
"""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price, Timing, select

RETRO_CARTOONS = Model(
    id="897",
    owner="retroAIx",
    project="Retro-Cartoons",
    title="Retro Cartoons",
    description="Pictures in the manner of old animated cartoons, from a text. An SDXL LoRA.",
    categories=("model", "lora-sdxl", "text-to-image", "checkpoint-file", "fp16", "persistent"),
    output="image",
    # No dynamic price: elapsed seconds x cps, which gives the 0.003510000000 of Wiro's reference for 6 s.
    cps="0.000585",
    groups={
        "Prompt": (
            Parameter(
                "prompt",
                "textarea",
                label="Prompt",
                required=True,
                default="retro cartoon style, a cheerful robot waters its garden on the moon, "
                "bold ink outlines, muted colours, film grain",
            ),
            Parameter(
                "negativePrompt",
                "textarea",
                label="Negative prompt",
                default="photo, realistic, 3d render, blurry, deformed hands, watermark, signature",
            ),
        ),
        "Settings": (
            Parameter("samples", "number", label="Samples", default="4", minimum=1, maximum=8),
            Parameter("steps", "number", label="Steps", default="60", minimum=1, maximum=150),
            Parameter("scale", "float", label="Scale", default="4"),
            Parameter("highNoiseFrac", "float", label="High noise fraction", default="0.8"),
            Parameter("stepsRefiner", "number", label="Refiner steps", default="20"),
            Parameter("seed", "text", label="Seed", default="123456"),
            Parameter("width", "number", label="Width", default="1024", minimum=64, maximum=2048),
            Parameter("height", "number", label="Height", default="1024", minimum=64, maximum=2048),
            Parameter(
                "refiner",
                "select",
                label="Refiner",
                default="",
                options=(("--only_base_model", "no"), ("", "yes")),
            ),
            # The reference lists the first one twice.
            select(
                "scheduler",
                "EulerDiscreteScheduler",
                "EulerDiscreteScheduler",
                "DDIMScheduler",
                "LMSDiscreteScheduler",
                "DPMSolverMultistepScheduler",
                "PNDMScheduler",
                "DDPMScheduler",
                "EulerAncestralDiscreteScheduler",
                default="EulerDiscreteScheduler",
                label="Scheduler",
            ),
        ),
    },
)

IMAGE_EDIT = Model(
    id="1702",
    owner="wiro",
    project="image-edit-general",
    title="Image Edit",
    description="Changes a picture as a sentence says.",
    categories=("tool", "image-to-image", "image-editing"),
    output="image",
    timing=Timing(queue=1, prepare=1, run=3, finish=1),
    prices=(Price(0.02, "cp-pixel", extra=0.01, per_input=0.005),),
    groups={
        "Input": (
            Parameter("inputImage", "fileinput", label="Input image", required=True),
            Parameter("prompt", "textarea", label="Prompt", required=True),
        ),
        "Settings": (
            Parameter("strength", "range", default="0.8", minimum=0, maximum=1, step=0.05),
            Parameter("samples", "number", default="1", minimum=1, maximum=4),
            Parameter("seed", "text", default="123456"),
        ),
    },
)

VIRTUAL_TRY_ON = Model(
    id="1611",
    owner="wiro",
    project="Virtual Try-On",
    title="Virtual Try-on",
    description="Shows a person wearing the clothes of other pictures.",
    categories=("tool", "image-to-image", "image-editing"),
    output="image",
    timing=Timing(queue=1, prepare=2, run=5, finish=1),
    prices=(
        Price(0.09, "cpr", inputs={"inputImageClothes": "QUANTITY:1"}),
        Price(0.14, "cpr", inputs={"inputImageClothes": "QUANTITY:2"}),
        Price(0.18, "cpr"),
    ),
    groups={
        "Input": (
            Parameter("inputImageHuman", "fileinput", label="Person", required=True),
            Parameter("inputImageClothes", "combinefileinput", label="Clothes", required=True),
            Parameter("keepBackground", "checkbox", label="Keep the background", default="true"),
        )
    },
)

IMAGE_MODELS = (RETRO_CARTOONS, IMAGE_EDIT, VIRTUAL_TRY_ON)
