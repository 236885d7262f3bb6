"""Models that write text or data; ids and options follow the real models of the same names."""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price, Timing, select

GPT_5_NANO = Model(
    id="1950",
    owner="openai",
    project="gpt-5-nano",
    title="GPT-5 nano",
    description="A small language model; thinks before it answers.",
    categories=("tool", "llm"),
    output="text",
    timing=Timing(queue=0.5, prepare=0.5, run=3, finish=0.5),
    prices=(Price(0.0000004, "cpt"),),
    groups={
        "Input": (
            Parameter("inputImage", "fileinput", label="Picture to look at"),
            Parameter("prompt", "textarea", label="Prompt", required=True),
            Parameter("user_id", "text"),
            Parameter("session_id", "text"),
            Parameter("systemInstructions", "textarea"),
        ),
        "Settings": (
            select("reasoning", "minimal", "low", "medium", "high", default="medium"),
            select("webSearch", "false", "true", default="false"),
            select("verbosity", "low", "medium", "high", default="medium"),
        ),
    },
)

RESUME_PARSER = Model(
    id="1322",
    owner="wiro",
    project="AI-Resume-CV-Parser",
    title="AI Resume Parser",
    description="Reads the data out of résumés.",
    categories=("tool", "hr", "document"),
    output="document",
    timing=Timing(queue=1, prepare=1, run=4, finish=1),
    prices=(Price(0.01, "cpo"),),
    groups={
        "Input": (
            Parameter("inputDocumentMultiple", "multifileinput", label="Documents", required=True),
            select("outputType", "json", "csv", default="json"),
            select("language", "en", "tr", default="en"),
        )
    },
)

TEXT_MODELS = (GPT_5_NANO, RESUME_PARSER)
