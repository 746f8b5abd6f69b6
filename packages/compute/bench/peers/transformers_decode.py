"""Peer of decode.bench.ts: greedy decoding of GPT-2 small (random weights) with transformers.

`step N` on stdin decodes N tokens with a cache and answers the seconds of each as one JSON line.
"""

import json
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(1)
model = GPT2LMHeadModel(GPT2Config()).eval()
with torch.inference_mode():
    out = model(torch.tensor([[1]]), use_cache=True)
    print(json.dumps({"ready": torch.__version__}), flush=True)
    length = 1
    for line in sys.stdin:
        words = line.split()
        if words[0] != "step":
            break
        seconds = []
        for _ in range(int(words[1])):
            start = time.perf_counter()
            token = out.logits[:, -1:].argmax(-1)
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
            seconds.append(time.perf_counter() - start)
            length += 1
            if length > 120:
                out = model(torch.tensor([[1]]), use_cache=True)
                length = 1
        print(json.dumps(seconds), flush=True)
