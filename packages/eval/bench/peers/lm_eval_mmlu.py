"""lm-evaluation-harness on MMLU-format questions, five shots; answers one line of JSON on standard input per run.

usage: python lm_eval_mmlu.py MODEL_DIR TEST_JSONL DEV_JSONL DESCRIPTION
in: {"limit": N}   out: {"seconds": S, "items": [[ll, ll, ll, ll], ...]}
"""
import json, os, pathlib, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import lm_eval_offline  # before all others

import logging
import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast
from lm_eval import evaluator
from lm_eval.models.huggingface import HFLM

logging.disable(logging.WARNING)
folder, test, dev, description = sys.argv[1:5]
out = os.dup(1)
os.dup2(2, 1)  # progress of the harness goes elsewhere
model = GPT2LMHeadModel.from_pretrained(folder).eval()
tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", eos_token="<|endoftext|>", bos_token="<|endoftext|>")
lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=int(os.environ.get("LM_EVAL_BATCH", "4")), max_length=model.config.n_positions)
task = dict(task="bench_mmlu", dataset_path="json", dataset_kwargs={"data_files": {"test": test, "dev": dev}},
            output_type="multiple_choice", test_split="test", fewshot_split="dev", fewshot_config={"sampler": "first_n"},
            description=description,
            doc_to_text="{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
            doc_to_choice=["A", "B", "C", "D"], doc_to_target="answer", metric_list=[{"metric": "acc"}])

# The harness builds requests and reads files outside of what is timed: only its scoring counts.
inner = lm.loglikelihood
spent = 0.0


def timed(requests, *args, **kwargs):
    global spent
    start = time.perf_counter()
    result = inner(requests, *args, **kwargs)
    spent = time.perf_counter() - start
    return result


lm.loglikelihood = timed
os.write(out, (json.dumps({"ready": f"torch {torch.__version__}, {torch.get_num_threads()} threads, lm_eval {__import__('importlib.metadata').metadata.version('lm_eval')}"}) + "\n").encode())
for line in sys.stdin:
    limit = json.loads(line)["limit"]
    result = evaluator.simple_evaluate(model=lm, tasks=[dict(task)], num_fewshot=5, limit=limit, log_samples=True, bootstrap_iters=0)
    samples = sorted(result["samples"]["bench_mmlu"], key=lambda sample: sample["doc_id"])
    items = [[float(r[0][0] if isinstance(r[0], (list, tuple)) else r[0]) for r in sample["resps"]] for sample in samples]
    os.write(out, (json.dumps({"seconds": spent, "items": items}) + "\n").encode())
