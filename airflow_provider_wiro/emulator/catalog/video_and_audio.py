"""Models that make videos and sound; ids and options follow the real models of the same names."""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price, Timing, select

SEEDANCE = Model(
    id="2013",
    owner="ByteDance",
    project="seedance-pro-v1.5",
    title="Seedance Pro 1.5",
    description="A short film from a text, and from a first picture if there is one.",
    categories=("tool", "text-to-video", "image-to-video"),
    output="video",
    timing=Timing(queue=2, prepare=3, run=20, finish=3),
    # The tiers of the pricing page's example.
    prices=tuple(
        Price(price, "cpr", inputs={"resolution": resolution, "duration": duration})
        for resolution, duration, price in (
            ("480p", "5", 0.06),
            ("720p", "5", 0.13),
            ("1080p", "5", 0.29),
            ("480p", "10", 0.12),
            ("720p", "10", 0.26),
            ("1080p", "10", 0.58),
        )
    ),
    groups={
        "Input": (
            Parameter("inputImage", "fileinput", label="First picture"),
            Parameter("prompt", "textarea", label="Prompt", required=True),
        ),
        "Settings": (
            select("resolution", "480p", "720p", "1080p", default="1080p", required=True),
            select("ratio", "1:1", "16:9", "21:9", "3:4", "4:3", "9:16", default="16:9", required=True),
            select("duration", "5", "10", default="5", required=True),
            select("watermark", "false", "true", default="false"),
            Parameter("seed", "number", default="0"),
        ),
    },
)

ANIMATED_LOGO = Model(
    id="1544",
    owner="wiro",
    project="Animated Logo",
    title="Animated Logo",
    description="Sets a logo in motion.",
    categories=("tool", "image-to-video"),
    output="video",
    timing=Timing(queue=1, prepare=2, run=10, finish=2),
    prices=(Price(0.04, "cp-outputVideoLength"),),
    groups={
        "Input": (
            Parameter("inputImage", "fileinput", label="Logo", required=True),
            select("effectType", "spin", "neon", "smoke", "paper", default="spin", required=True),
            select("videoMode", "std", "pro", default="std"),
            select("ratio", "1:1", "16:9", "9:16", default="1:1"),
        )
    },
)

CHATTERBOX = Model(
    id="1893",
    # Wiro's catalogue shows this owner with a leading space: a client has to strip it.
    owner=" resemble-ai",
    project="chatterbox-turbo",
    title="Chatterbox Turbo",
    description="Speaks a text aloud.",
    categories=("tool", "text-to-speech", "audio"),
    output="audio",
    timing=Timing(queue=1, prepare=1, run=3, finish=1),
    prices=(Price(0.00002, "cp-promptlength"),),
    groups={
        "Input": (
            Parameter("inputAudio", "fileinput", label="Voice to imitate"),
            Parameter("prompt", "textarea", label="Text", required=True),
        ),
        "Settings": (
            Parameter("exaggeration", "float", default="0.5", minimum=0, maximum=2),
            Parameter("cfg_weight", "float", default="0.5", minimum=0, maximum=1),
            Parameter("temperature", "float", default="0.8", minimum=0.05, maximum=5),
            Parameter("topP", "float", default="1", minimum=0, maximum=1),
            Parameter("topK", "number", default="1000", minimum=0, maximum=1000),
        ),
    },
)

# Refuses a run that leaves `multiPrompt` out, as its namesake does.
KLING = Model(
    id="2101",
    owner="klingai",
    project="kling-v3",
    title="Kling 3",
    description="A film of several shots from a text. It requires every parameter, unset ones as empty text.",
    categories=("tool", "text-to-video", "image-to-video"),
    output="video",
    timing=Timing(queue=2, prepare=3, run=20, finish=3),
    prices=(Price(0.04, "cp-outputVideoLength"),),
    wants_every_parameter=True,
    groups={
        "Input": (
            Parameter("inputImage", "fileinput", label="First picture"),
            Parameter("prompt", "textarea", label="Prompt"),
            Parameter("negativePrompt", "textarea"),
            Parameter("multiPrompt", "textarea"),
        ),
        "Settings": (
            select("duration", "5", "10", "15", default="5", required=True),
            select("ratio", "1:1", "16:9", "9:16", default="16:9", required=True),
            select("multiShot", "false", "true", default="false"),
        ),
    },
)

VIDEO_AND_AUDIO_MODELS = (SEEDANCE, ANIMATED_LOGO, CHATTERBOX, KLING)
