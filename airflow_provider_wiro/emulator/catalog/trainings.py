"""Models that train other models; ids follow the real models of the same names."""

from __future__ import annotations

from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price, Timing

FLUX_LORA_PORTRAIT = Model(
    id="1402",
    owner="wiro",
    project="train-flux-lora-portrait",
    title="Train a FLUX LoRA of a portrait",
    description="Weights for one face. A training needs a balance of $10.",
    categories=("tool", "training"),
    output="weights",
    timing=Timing(queue=2, prepare=3, run=60, finish=3),
    prices=(Price(3.0, "cpr"),),
    groups={
        "Input": (
            Parameter("trainModelName", "text", required=True),
            Parameter("triggerWord", "text", required=True),
            Parameter("trainingSteps", "number", required=True, default="1000", minimum=1),
            Parameter("learningRate", "float", required=True, default="0.0004"),
            Parameter("selectedFolder", "multifileinput", label="Pictures"),
        )
    },
)

TRAINING_MODELS = (FLUX_LORA_PORTRAIT,)
