"""Prefill and decode with transformers, on request: one JSON line per command.

Commands: "prefill BATCH LENGTH" and "decode TOKENS" (continues the last prefill); answers {"seconds": s}.
"""

import json
import resource
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
model = GPT2LMHeadModel(GPT2Config()).eval()
print(json.dumps({"ready": True, "threads": torch.get_num_threads()}), flush=True)

state = {}
for line in sys.stdin:
    command, *numbers = line.split()
    numbers = [int(n) for n in numbers]
    with torch.inference_mode():
        if command == "prefill":
            batch, length = numbers
            ids = torch.arange(batch * length).reshape(batch, length) * 7919 % 50257
            start = time.perf_counter()
            out = model(ids, use_cache=True, logits_to_keep=1)
            seconds = time.perf_counter() - start
            state = {"past": out.past_key_values, "next": out.logits[:, -1:].argmax(-1)}
        else:
            start = time.perf_counter()
            for _ in range(numbers[0]):
                out = model(state["next"], past_key_values=state["past"], use_cache=True)
                state = {"past": out.past_key_values, "next": out.logits[:, -1:].argmax(-1)}
            seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)
