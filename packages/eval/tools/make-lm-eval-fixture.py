"""Scores a tiny GPT-2 with lm-evaluation-harness and writes what our tests compare with.

usage: python tools/make-lm-eval-fixture.py VOCAB_JSON MERGES_TXT

VOCAB_JSON and MERGES_TXT: a small byte-level BPE with <|endoftext|> (GPT-2's file format).
Needs: torch, transformers, tokenizers, datasets, lm_eval. Writes test/fixtures/lm-eval/{model,results.json}.
"""
import gzip, json, pathlib, sys, tempfile

import lm_eval_offline  # before all others

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

here = pathlib.Path(__file__).resolve().parent.parent
out = here / "test/fixtures/lm-eval"
data = here / "data"
vocab, merges = sys.argv[1:3]

tokenizer = Tokenizer(models.BPE.from_file(vocab, merges))
tokenizer.add_special_tokens(["<|endoftext|>"])
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
end = tokenizer.token_to_id("<|endoftext|>")

torch.manual_seed(11)
config = GPT2Config(vocab_size=tokenizer.get_vocab_size(), n_positions=192, n_embd=32, n_layer=2, n_head=2,
                    bos_token_id=end, eos_token_id=end, initializer_range=0.35,
                    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
model = GPT2LMHeadModel(config).eval()
folder = out / "model"
model.save_pretrained(folder)
tokenizer.save(str(folder / "tokenizer.json"))

from lm_eval import evaluator
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

ITEMS = 8
scratch = pathlib.Path(tempfile.mkdtemp())


def records(path):
    with (gzip.open(path, "rt") if str(path).endswith(".gz") else open(path)) as file:
        return [json.loads(line) for line in file if line.strip()]


def write(name, rows):
    path = scratch / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


import csv

arc = [{"question": r["question"]["stem"], "answerKey": r["answerKey"],
        "choices": {"text": [c["text"] for c in r["question"]["choices"]], "label": [c["label"] for c in r["question"]["choices"]]}}
       for r in records(data / "commonsense_qa/validation.jsonl.gz")[:40]]
(out / "arc_easy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in arc))


def mmlu(path):
    with open(path, newline="") as file:
        return [{"question": q, "choices": [a, b, c, d], "answer": "ABCD".index(answer)} for q, a, b, c, d, answer in csv.reader(file)]


import re


def clean(text):
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


hella = [{"query": clean(r["activity_label"] + ": " + r["ctx"]), "choices": [clean(e) for e in r["endings"]], "label": r["label"]}
         for r in records(data / "hellaswag/validation.jsonl.gz")]
sys.path.insert(0, str(pathlib.Path(__import__("lm_eval").__file__).parent / "tasks/wikitext"))
from preprocess_wikitext import process_results, wikitext_detokenizer

tasks = {
    "lambada_openai": dict(output_type="loglikelihood", files={"test": write("lambada", records(data / "lambada/lambada_openai.jsonl.gz"))}, test_split="test", fewshot_split="test",
        doc_to_text="{{text.split(' ')[:-1]|join(' ')}}", doc_to_target="{{' '+text.split(' ')[-1]}}",
        metric_list=[{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}, {"metric": "acc"}]),
    "hellaswag": dict(output_type="multiple_choice", files={"test": write("hellaswag", hella)}, test_split="test", fewshot_split="test",
        doc_to_text="{{query}}", doc_to_target="{{label}}", doc_to_choice="choices", metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}]),
    "arc_easy": dict(output_type="multiple_choice", files={"test": write("arc", arc)}, test_split="test", fewshot_split="test",
        doc_to_text="Question: {{question}}\nAnswer:", doc_to_target="{{choices.label.index(answerKey)}}", doc_to_choice="{{choices.text}}",
        metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}]),
    "mmlu_astronomy": dict(output_type="multiple_choice", files={"test": write("mmlu", mmlu(data / "mmlu/test/astronomy_test.csv")), "dev": write("dev", mmlu(data / "mmlu/dev/astronomy_dev.csv"))},
        test_split="test", fewshot_split="dev", fewshot_config={"sampler": "first_n"},
        description="The following are multiple choice questions (with answers) about astronomy.\n\n",
        doc_to_text="{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
        doc_to_choice=["A", "B", "C", "D"], doc_to_target="answer", metric_list=[{"metric": "acc"}]),
    "gsm8k": dict(output_type="generate_until", files={"test": write("gsm8k", records(data / "gsm8k/test.jsonl.gz")), "train": write("train", records(data / "gsm8k/train.jsonl.gz"))},
        test_split="test", fewshot_split="train", doc_to_text="Question: {{question}}\nAnswer:", doc_to_target="{{answer}}",
        metric_list=[{"metric": "exact_match", "ignore_case": True, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}],
        generation_kwargs={"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 24}),
    "wikitext": dict(output_type="loglikelihood_rolling", files={"test": write("wikitext", records(data / "wikitext/validation.jsonl.gz"))}, test_split="test",
        doc_to_text="", doc_to_target=wikitext_detokenizer, process_results=process_results,
        metric_list=[{"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"}]),
}
configs = []
for name, task in tasks.items():
    files = task.pop("files")
    configs.append({"task": f"tiny_{name}", "dataset_path": "json", "dataset_kwargs": {"data_files": files}, **task})

runs = []
for shots, names in [(0, list(tasks)), (2, ["lambada_openai", "hellaswag", "arc_easy", "mmlu_astronomy", "gsm8k"])]:
    chosen = [dict(config) for config in configs if config["task"][5:] in names]
    lm = HFLM(pretrained=model, tokenizer=fast, batch_size=1, max_length=192)
    result = evaluator.simple_evaluate(model=lm, tasks=chosen, num_fewshot=shots, limit=ITEMS, log_samples=True, bootstrap_iters=0, random_seed=0, fewshot_random_seed=1234)
    for name in names:
        task = f"tiny_{name}"
        samples = sorted(result["samples"][task], key=lambda sample: sample["doc_id"])
        def response(sample):
            out = sample["resps"]
            flat = [r[0] if isinstance(r, list) else r for r in out]
            return [list(r) if isinstance(r, (list, tuple)) else r for r in flat]
        runs.append({"task": name, "shots": shots,
                     "metrics": {key.split(",")[0]: value for key, value in result["results"][task].items() if isinstance(value, (int, float)) and "stderr" not in key},
                     "items": [{"prompt": sample["arguments"][0][0] if isinstance(sample["arguments"], (list, tuple)) else next(iter(sample["arguments"].values()))["arg_0"], "responses": response(sample)} for sample in samples]})

import lm_eval
reference = {"reference": f"lm-evaluation-harness {__import__('importlib.metadata').metadata.version('lm_eval')}, transformers {transformers.__version__}, torch {torch.__version__}",
             "tolerance": 1e-3, "items": ITEMS, "runs": runs}
(out / "results.json").write_text(json.dumps(reference, indent=1, default=str))
print(json.dumps([{k: r[k] for k in ("task", "shots", "metrics")} for r in runs], indent=1))
