"""Peer of train-step.bench.ts: the same GPT and optimiser in PyTorch.

Reads commands from stdin, one a line: `step N` runs N steps and answers one JSON line with the seconds of each,
`memory` answers the peak resident size in bytes, `quit` ends.

usage: torch_gpt.py VOCAB CONTEXT LAYERS WIDTH HEADS BATCH LENGTH eager|compiled float32|bf16
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).split(width, dim=2)
        q, k, v = (p.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for p in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocab, context, layers, width, heads):
        super().__init__()
        self.wte = nn.Embedding(vocab, width)
        self.wpe = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def main():
    vocab, context, layers, width, heads, batch, length = map(int, sys.argv[1:8])
    mode, precision = sys.argv[8:10]
    torch.manual_seed(1)
    model = Gpt(vocab, context, layers, width, heads)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    forward = torch.compile(model) if mode == "compiled" else model
    tokens = torch.randint(0, vocab, (batch, length))
    targets = torch.randint(0, vocab, (batch, length))

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = forward(tokens, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    print(json.dumps({"ready": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "step":
            seconds, cpu = [], []
            for _ in range(int(words[1])):
                start, cpu_start = time.perf_counter(), time.process_time()
                step()
                seconds.append(time.perf_counter() - start)
                cpu.append(time.process_time() - cpu_start)
            print(json.dumps({"seconds": seconds, "cpu": cpu}), flush=True)
        elif words[0] == "memory":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
        else:
            break


main()
