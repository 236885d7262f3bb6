"""
Models that stand for a way of billing that no other model here has.

Their ids follow the real models of the same names; the prices are examples, not Wiro's.
"""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price, Timing, select

_PROMPT = Parameter("prompt", "textarea", label="Prompt", required=True)

IMAGEN = Model(
    id="2110",
    owner="google",
    project="imagen-v4-fast",
    title="Imagen 4 Fast",
    description="Up to four pictures from a text, each with its price.",
    categories=("tool", "text-to-image"),
    output="image",
    prices=(Price(0.02, "cpo"),),
    groups={"Input": (_PROMPT, select("samples", "1", "2", "3", "4", default="1"))},
)

FLUX_2_FLEX = Model(
    id="2111",
    owner="black-forest-labs",
    project="flux-2-flex",
    title="FLUX.2 flex",
    description="A picture from a text and other pictures, paid by the pixel.",
    categories=("tool", "text-to-image", "image-to-image"),
    output="image",
    prices=(Price(0.02, "cp-pixel", extra=0.01, per_input=0.005),),
    groups={
        "Input": (Parameter("inputImage", "combinefileinput", label="Pictures"), _PROMPT),
        "Settings": (
            Parameter("width", "number", default="1024", minimum=64, maximum=4096),
            Parameter("height", "number", default="1024", minimum=64, maximum=4096),
            Parameter("samples", "number", default="1", minimum=1, maximum=4),
        ),
    },
)

SEEDREAM = Model(
    id="2112",
    owner="ByteDance",
    project="seedream-v4-5",
    title="Seedream 4.5",
    description="A series of pictures from a text.",
    categories=("tool", "text-to-image"),
    output="image",
    prices=(Price(0.04, "cp-outputPictureCount"),),
    groups={"Input": (_PROMPT, Parameter("maxImages", "number", default="1", minimum=1, maximum=15))},
)

FLUX = Model(
    id="2113",
    owner="wiro",
    project="text-to-image-flux",
    title="FLUX",
    description="Pictures from a text, paid by the second although the model has a price list.",
    categories=("tool", "text-to-image"),
    output="image",
    timing=Timing(queue=1, prepare=5, run=45, finish=1),
    cps="0.00095",
    prices=(Price(0.00095, "cps"),),
    groups={"Input": (_PROMPT, Parameter("samples", "number", default="1", minimum=1, maximum=4))},
)

SPEECH_TO_TEXT = Model(
    id="2114",
    owner="elevenlabs",
    project="speech-to-text",
    title="Speech to text",
    description="Writes down what is said, paid by the second of sound.",
    categories=("tool", "speech-to-text"),
    output="text",
    prices=(Price(0.0001, "cp-audiosecondslength"),),
    groups={"Input": (Parameter("inputAudio", "multifileinput", label="Sound", required=True),)},
)

WAN = Model(
    id="2115",
    owner="wiro",
    project="wan-text-to-image",
    title="Wan",
    description="A picture from a text that it can extend itself, for a higher price.",
    categories=("tool", "text-to-image"),
    output="image",
    prices=(
        Price(0.013, "cpr", inputs={"promptExtend": "false"}),
        Price(0.014, "cpr", inputs={"promptExtend": "true"}),
    ),
    groups={"Input": (_PROMPT, Parameter("promptExtend", "checkbox", default="true"))},
)

FACE_SWAP = Model(
    id="2116",
    owner="wiro",
    project="Face-Swap",
    title="Face Swap",
    description="A face in another picture, for a price without a method of counting.",
    categories=("tool", "image-to-image"),
    output="image",
    prices=(Price(0.045, None),),
    groups={"Input": (Parameter("inputImage", "fileinput", label="Face", required=True),)},
)

OMNI_ZERO = Model(
    id="2117",
    owner="wiro",
    project="omni-zero",
    title="Omni-Zero",
    description="A portrait in a style. Two prices fit a run with one picture.",
    categories=("tool", "image-to-image"),
    output="image",
    prices=(Price(0.18, "cpr"), Price(0.09, "cpr", inputs={"inputImage": "QUANTITY:1"})),
    groups={"Input": (Parameter("inputImage", "multifileinput", label="Pictures"), _PROMPT)},
)

P_VIDEO = Model(
    id="2118",
    owner="pruna",
    project="p-video",
    title="P-Video",
    description="A film from a text, paid by a method of counting that nobody has described.",
    categories=("tool", "text-to-video"),
    output="video",
    timing=Timing(queue=1, prepare=2, run=10, finish=2),
    prices=(Price(0.08, "cp-frame"),),
    groups={
        "Input": (_PROMPT,),
        "Settings": (
            select("ratio", "1:1", "16:9", "9:16", default="1:1"),
            Parameter("duration", "number", default="5", minimum=1, maximum=15),
        ),
    },
)

RAG_CHAT = Model(
    id="2119",
    owner="wiro",
    project="rag-chat-github",
    title="Chat about a repository",
    description="An answer from another service, which reports what it used.",
    categories=("tool", "llm"),
    output="text",
    prices=(Price(0.002, "cp-readoutput"),),
    groups={"Input": (_PROMPT,)},
)

PERSONA_PLEX = Model(
    id="2120",
    owner="nvidia",
    project="PersonaPlex-Realtime",
    title="PersonaPlex",
    description="A conversation, paid by its turns.",
    categories=("tool", "realtime"),
    output="text",
    prices=(Price(0.003, "cp-realtimeturn"),),
    groups={"Input": (_PROMPT,)},
)

BILLING_MODELS = (
    IMAGEN,
    FLUX_2_FLEX,
    SEEDREAM,
    FLUX,
    SPEECH_TO_TEXT,
    WAN,
    FACE_SWAP,
    OMNI_ZERO,
    P_VIDEO,
    RAG_CHAT,
    PERSONA_PLEX,
)
