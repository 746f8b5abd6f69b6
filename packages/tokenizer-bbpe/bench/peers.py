"""Times Python peers on the texts and vocabularies of a folder, prints one JSON line.

    python peers.py FOLDER REPEATS [cpu]

FOLDER has job.json: {texts: [name], encodings: [{name, pattern}], train: {vocabSize, text}}, NAME.txt,
NAME.tiktoken and NAME.json (tokenizer.json).
"""

import base64
import json
import os
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
folder, repeats = sys.argv[1], int(sys.argv[2])
clock = time.process_time if sys.argv[3:] == ["cpu"] else time.perf_counter
with open(f"{folder}/job.json") as file:
    job = json.load(file)


def read(name):
    with open(f"{folder}/{name}", encoding="utf-8", newline="") as file:
        return file.read()


def seconds(action):
    start = clock()
    action()
    return clock() - start


out = {"versions": {}, "times": []}


def record(case, peer, first, rest):
    out["times"].append({"case": case, "peer": peer, "cold": first, "warm": min(rest)})


try:
    import tiktoken

    out["versions"]["tiktoken (Python)"] = tiktoken.__version__
    for encoding in job["encodings"]:
        ranks = {}
        for line in read(encoding["name"] + ".tiktoken").splitlines():
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
        peer = tiktoken.Encoding("bench", pat_str=encoding["pattern"], mergeable_ranks=ranks, special_tokens={})
        for name in job["texts"]:
            text = read(name + ".txt")
            times = [seconds(lambda: peer.encode_ordinary(text)) for _ in range(repeats + 1)]
            record(f"{encoding['name']} {name}", "tiktoken (Python)", times[0], times[1:])
except ImportError:
    pass

try:
    import tokenizers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    out["versions"]["HF tokenizers"] = tokenizers.__version__
    for encoding in job["encodings"]:
        peer = Tokenizer.from_file(f"{folder}/{encoding['name']}.json")
        for name in job["texts"]:
            text = read(name + ".txt")
            times = [seconds(lambda: peer.encode(text)) for _ in range(2)]
            record(f"{encoding['name']} {name}", "HF tokenizers", times[0], times[1:])
    if job["train"]:
        text = read(job["train"]["text"] + ".txt")

        def train():
            peer = Tokenizer(models.BPE())
            peer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer = trainers.BpeTrainer(
                vocab_size=job["train"]["vocabSize"], initial_alphabet=alphabet, show_progress=False
            )
            peer.train_from_iterator([text], trainer)
            out["merges"] = json.loads(peer.to_str())["model"]["merges"]

        times = [seconds(train) for _ in range(1 + (repeats > 4))]
        record("train", "HF tokenizers", times[0], times)
except ImportError:
    pass

if "merges" in out:
    out["merges"] = [merge if isinstance(merge, str) else " ".join(merge) for merge in out["merges"]]
print(json.dumps(out))
