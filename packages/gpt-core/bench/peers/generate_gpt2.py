"""Reads a prompt and writes on with transformers, on request.

"run BATCH LENGTH TOKENS" answers with one line of JSON: seconds of the prefill, seconds of the other tokens.
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

for line in sys.stdin:
    batch, length, tokens = (int(n) for n in line.split()[1:])
    ids = torch.arange(batch * length).reshape(batch, length) * 7919 % 50257
    with torch.inference_mode():
        start = time.perf_counter()
        out = model(ids, use_cache=True, logits_to_keep=1)
        prefill = time.perf_counter() - start
        start = time.perf_counter()
        for _ in range(tokens):
            following = out.logits[:, -1:].argmax(-1)
            out = model(following, past_key_values=out.past_key_values, use_cache=True)
        decode = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"prefill": prefill, "decode": decode, "memory": memory}), flush=True)
