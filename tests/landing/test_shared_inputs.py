"""A file that other runs may need is told from a copy that is one run's alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wiro.landing.shared_inputs import shared_inputs

UPLOAD = "https://cdn1.wiro.ai/abc/robot.png"
OWN = "https://cdn1.wiro.ai/xyz/own.pdf"
SAMPLE = "https://cdn.wiro.ai/uploads/sampleinputs/robot.png"
ELSEWHERE = "https://shop.example/robot.png"


@pytest.mark.parametrize(
    ("parameters", "shared"),
    [
        # Nothing of Wiro's storage is named.
        ({}, []),
        ({"prompt": f"like {UPLOAD}, but blue", "samples": 4, "seed": None}, []),
        ({"inputImage": "", "inputImageUrl": ELSEWHERE}, []),
        ({"inputImage": "", "inputImageUrl": SAMPLE}, []),
        ({"inputImageUrl": "https://wiro.ai.example/x.png"}, []),
        ({"inputImageUrl": "https://notwiro.ai/x.png"}, []),
        ({"inputImageUrl": "https://[broken/x.png"}, []),
        ({"callbackUrl": "https://hooks.wiro.ai/me"}, []),
        # Sent with the run, or given by URL by a client that sends what is unset as "": nothing tells.
        ({"inputImage": UPLOAD, "inputImageUrl": ""}, ["inputImage"]),
        ({"inputImage": [UPLOAD, UPLOAD], "inputImageUrl": ""}, ["inputImage"]),
        ({"inputImage": UPLOAD, "inputImageUrl": None}, ["inputImage"]),
        ({"inputImage": UPLOAD, "inputImageUrl": []}, ["inputImage"]),
        # Given by URL.
        ({"inputImage": "", "inputImageUrl": UPLOAD}, ["inputImageUrl"]),
        ({"inputImageUrl": UPLOAD.upper()}, ["inputImageUrl"]),
        ({"inputImageUrl": f"{ELSEWHERE}, {UPLOAD}"}, ["inputImageUrl"]),
        ({"inputImageUrl": [ELSEWHERE, UPLOAD]}, ["inputImageUrl"]),
        ({"inputImageUrl": json.dumps([ELSEWHERE, UPLOAD])}, ["inputImageUrl"]),
        # Some sent with the run, some given by URL.
        (
            {"inputDocs": "https://cdn1.wiro.ai/own.pdf", "inputDocsUrl": UPLOAD},
            ["inputDocs", "inputDocsUrl"],
        ),
        ({"inputImage": "", "inputImageUrl": "", "inputMaskUrl": UPLOAD}, ["inputMaskUrl"]),
        # It can't be told: a combinefileinput, a URL in the field itself, messages of an LLM.
        ({"inputImageClothes": [UPLOAD]}, ["inputImageClothes"]),
        ({"inputImage": UPLOAD}, ["inputImage"]),
        ({"messages": [{"content": [{"image_url": {"url": UPLOAD}}]}]}, ["messages"]),
        ({"messages": json.dumps([{"content": [{"image_url": UPLOAD}]}])}, ["messages"]),
        # The connection's own host, and the CDN that the outputs are on.
        ({"inputImageUrl": "http://127.0.0.1:8900/k/a.png"}, ["inputImageUrl"]),
        ({"inputImageUrl": "https://files.proxy.example/k/a.png"}, ["inputImageUrl"]),
    ],
)
def test_what_others_may_need_is_named(parameters: dict[str, Any], shared: list[str]) -> None:
    wiro_urls = ["http://127.0.0.1:8080/v1", "https://files.proxy.example/k/0.png", None, "no URL"]

    assert shared_inputs(parameters, wiro_urls) == shared


def test_a_value_nested_without_end_is_no_trap() -> None:
    value: Any = UPLOAD
    for _ in range(5000):
        value = [value]

    assert shared_inputs({"inputImageUrl": value}, []) == []
    assert shared_inputs({"inputImageUrl": "[" * 100_000}, []) == []
