"""PyTorch's side of pretrain.bench.ts: the same weights and batches, driven line by line over standard input.

Arguments: model folder, settings (JSON). Commands: "step N", "validate". Replies are single JSON lines.
"""
import json
import math
import sys
import time

import numpy as np
import torch
from transformers import GPT2LMHeadModel

folder, settings = sys.argv[1], json.loads(sys.argv[2])
torch.set_num_threads(settings["threads"])
bf16 = settings["precision"] == "bf16"
model = GPT2LMHeadModel.from_pretrained(folder, attn_implementation="sdpa").train()
decay = [p for p in model.parameters() if p.dim() >= 2]
rest = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": settings["weightDecay"]}, {"params": rest, "weight_decay": 0.0}],
    lr=settings["learningRate"], betas=tuple(settings["betas"]), eps=1e-8, fused=True,
)
shape = (-1, settings["batchSize"], settings["contextLength"])
read = lambda name: torch.from_numpy(np.fromfile(f"{folder}/{name}", dtype=np.int32).reshape(shape).astype(np.int64))
ids, labels, val_ids, val_labels = (read(n) for n in ("ids.bin", "labels.bin", "val-ids.bin", "val-labels.bin"))


def rate(step):
    if step < settings["warmup"]:
        return settings["learningRate"] * (step + 1) / (settings["warmup"] + 1)
    done = (step - settings["warmup"]) / (settings["steps"] - settings["warmup"])
    low = settings["minLearningRate"]
    return low + 0.5 * (1 + math.cos(math.pi * done)) * (settings["learningRate"] - low)


def loss_of(x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits = model(x).logits
        return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=-100)


step = 0
print(json.dumps({"ready": torch.__version__}), flush=True)
for line in sys.stdin:
    command = line.split()
    if command[0] == "validate":
        model.eval()
        with torch.no_grad():
            losses = [loss_of(x, y).item() for x, y in zip(val_ids, val_labels)]
        model.train()
        print(json.dumps({"loss": sum(losses) / len(losses)}), flush=True)
        continue
    times, losses = [], []
    for _ in range(int(command[1])):
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        loss = loss_of(ids[step], labels[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clipNorm"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        times.append((time.perf_counter() - start) * 1000)
        step += 1
    print(json.dumps({"ms": times, "losses": losses}), flush=True)
