"""MinHash LSH deduplication in Python: datasketch where it is installed, else the same algorithm in numpy.

usage: minhash.py documents.jsonl threshold permutations   ->  one JSON line with seconds, documents and pairs
"""
import hashlib
import json
import re
import struct
import sys
import time

import numpy as np

path, threshold, permutations = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
documents = [json.loads(line) for line in open(path, encoding="utf-8")]
word = re.compile(r"\w+")


def shingles(text):
    words = word.findall(text.lower())
    if len(words) < 5:
        return {" ".join(words).encode("utf-8")}
    return {" ".join(words[i : i + 5]).encode("utf-8") for i in range(len(words) - 4)}


def with_datasketch():
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    pairs = 0
    for number, text in enumerate(documents):
        sketch = MinHash(num_perm=permutations)
        sketch.update_batch(shingles(text))
        pairs += len(index.query(sketch))
        index.insert(number, sketch)
    return pairs


def with_numpy():
    """datasketch's scheme: SHA-1 to 32 bits, (a x + b) mod (2^61 - 1), bands by the smallest weighted error."""
    prime = np.uint64((1 << 61) - 1)
    mask = np.uint64((1 << 32) - 1)
    generator = np.random.RandomState(1)
    a = generator.randint(1, (1 << 61) - 1, size=permutations, dtype=np.uint64)[:, None]
    b = generator.randint(0, (1 << 61) - 1, size=permutations, dtype=np.uint64)[:, None]
    bands, rows = best_bands()
    tables = [{} for _ in range(bands)]
    pairs = 0
    for number, text in enumerate(documents):
        hashes = np.array(
            [struct.unpack("<I", hashlib.sha1(s).digest()[:4])[0] for s in shingles(text)], dtype=np.uint64
        )
        signature = (((a * hashes + b) % prime) & mask).min(axis=1)
        found = set()
        for band in range(bands):
            key = signature[band * rows : (band + 1) * rows].tobytes()
            bucket = tables[band].setdefault(key, [])
            found.update(bucket)
            bucket.append(number)
        pairs += len(found)
    return pairs


def best_bands():
    best, choice = 1e9, (1, permutations)
    below, above = np.linspace(0, threshold, 200), np.linspace(threshold, 1, 200)
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            positives = (1 - (1 - below**rows) ** bands).mean() * threshold
            negatives = ((1 - above**rows) ** bands).mean() * (1 - threshold)
            if positives + negatives < best:
                best, choice = positives + negatives, (bands, rows)
    return choice


try:
    import datasketch

    name, run = f"datasketch {datasketch.__version__}", with_datasketch
except ImportError:
    name, run = f"numpy {np.__version__} MinHash LSH", with_numpy

started, started_cpu = time.perf_counter(), time.process_time()
pairs = run()
print(
    json.dumps(
        {
            "name": name,
            "seconds": time.perf_counter() - started,
            "cpuSeconds": time.process_time() - started_cpu,
            "documents": len(documents),
            "pairs": pairs,
        }
    )
)
