"""Loads checkpoint folders with transformers and compares logits with those that gpt-core wrote beside them.

Usage: python check_with_transformers.py FOLDER...
Each folder holds config.json, model.safetensors and expected.json: {"inputIds": [[...]], "logits": [[[...]]]}.
Prints one JSON line for each folder and exits with status 1 when a difference reaches 1e-4.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM


def check(folder: pathlib.Path) -> dict:
    expected = json.loads((folder / "expected.json").read_text())
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model.eval()
    ids = torch.tensor(expected["inputIds"])
    with torch.no_grad():
        logits = model(ids).logits
    difference = (logits - torch.tensor(expected["logits"])).abs().max().item()
    return {
        "folder": folder.name,
        "modelType": AutoConfig.from_pretrained(folder).model_type,
        "maxDifference": difference,
        "missing": sorted(report["missing_keys"]),
        "unexpected": sorted(report["unexpected_keys"]),
        "generated": model.generate(ids[:1, :4], max_new_tokens=8, do_sample=False, eos_token_id=None)[0].tolist()
        if expected.get("generate")
        else None,
    }


if __name__ == "__main__":
    results = [check(pathlib.Path(name)) for name in sys.argv[1:]]
    for result in results:
        print(json.dumps(result))
    ok = all(r["maxDifference"] < 1e-4 and not r["missing"] and not r["unexpected"] for r in results)
    sys.exit(0 if ok else 1)
