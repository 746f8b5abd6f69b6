"""Peer of attention.bench.ts: PyTorch's scaled_dot_product_attention, causal, on the CPU.

Reads one case a line, `forward|training BATCH HEADS LENGTH HEAD_DIM`, and answers one run's milliseconds and processor
milliseconds as JSON.
`quit` ends.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

inputs = {}


def run(mode, shape):
    if shape not in inputs:
        inputs.clear()
        inputs[shape] = [torch.randn(*shape, requires_grad=True) for _ in range(3)]
    q, k, v = inputs[shape]
    start, cpu = time.perf_counter(), time.process_time()
    if mode == "forward":
        with torch.no_grad():
            F.scaled_dot_product_attention(q, k, v, is_causal=True)
    else:
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        torch.autograd.grad(out.sum(), (q, k, v))
    return [(time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3]


print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    words = line.split()
    if not words or words[0] == "quit":
        break
    print(json.dumps(run(words[0], tuple(map(int, words[1:])))), flush=True)
