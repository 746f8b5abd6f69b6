"""Goes on training an exported model with PyTorch, on as many processes and hosts as torchrun starts:

    gpt export runs/mine handover
    gpt-corpus export corpus/train-00000.tokens tokens.bin
    torchrun --nproc-per-node 8 continue_with_torch.py handover tokens.bin trained

`trained` is a folder of transformers again, which `gpt` and everything else loads. `tokens.bin` holds uint16 ids (uint32
with --dtype uint32), as nanoGPT's files do. Needs torch, transformers and numpy.
"""
import argparse
import os
import pathlib
import shutil

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("tokens")
parser.add_argument("out")
parser.add_argument("--dtype", default="uint16", choices=["uint16", "uint32"])
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--batch-size", type=int, default=8, help="rows per process and step")
parser.add_argument("--learning-rate", type=float, default=1e-4)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()

cuda = torch.cuda.is_available()
dist.init_process_group("nccl" if cuda else "gloo")
rank, world = dist.get_rank(), dist.get_world_size()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")

model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).to(device).train()
length = model.config.max_position_embeddings
parallel = DistributedDataParallel(model, device_ids=[device.index] if cuda else None)
decayed = [p for p in model.parameters() if p.dim() >= 2]
others = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
    lr=options.learning_rate, betas=(0.9, 0.95),
)

tokens = np.memmap(options.tokens, dtype=options.dtype, mode="r")
draw = np.random.default_rng([options.seed, rank])  # Other windows in every process.
for step in range(options.steps):
    starts = draw.integers(0, len(tokens) - length, options.batch_size)
    rows = np.stack([tokens[start : start + length] for start in starts]).astype(np.int64)
    ids = torch.from_numpy(rows).to(device)
    loss = parallel(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if rank == 0 and (step % 10 == 0 or step + 1 == options.steps):
        print(f"step {step + 1}/{options.steps} loss {loss.item():.4f}", flush=True)
if rank == 0:
    model.save_pretrained(options.out)
    tokenizer = pathlib.Path(options.model) / "tokenizer.json"
    if tokenizer.exists():
        shutil.copy(tokenizer, options.out)
dist.barrier()
dist.destroy_process_group()
