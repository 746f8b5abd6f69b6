"""Runs lm-evaluation-harness' own task files on records of ours; the tests compare with what it writes.

usage: python lm_eval_peer.py REQUEST.json ANSWER.json

REQUEST: {
  "model"?: {"folder": new folder for a tiny GPT-2, "tokenizer": tokenizer.json, "seed", "config": GPT2Config fields},
  "tasks": [{"yaml": path below lm_eval/tasks, "splits": {split: JSONL file}, "shots", "limit"?, "override"?: fields}]
}
ANSWER: per task its items in order, each with the arguments of its requests and, where there is a model, the answers;
then also the metrics. Needs lm_eval, datasets and, for a model, torch and transformers.
"""
import json, pathlib, sys

import lm_eval_offline  # before all others

import datasets
import lm_eval
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

root = pathlib.Path(lm_eval.__file__).parent / "tasks"
request = json.loads(pathlib.Path(sys.argv[1]).read_text())


def records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().split("\n") if line.strip()]


def load(spec, place):
    """The task of a file of the harness, its data set replaced by the records of the request."""
    data = {split: datasets.Dataset.from_list(records(path)) for split, path in spec["splits"].items()}
    datasets.load_dataset = lambda *args, **kwargs: datasets.DatasetDict(data)
    config = {**load_yaml(root / spec["yaml"], resolve_func=True), **spec.get("override", {})}
    config["task"] = f"{config['task']}_{place}"
    for absent in {"train", "validation", "test", "dev"} - set(spec["splits"]):
        for key in ("training_split", "validation_split", "test_split", "fewshot_split"):
            if config.get(key) == absent:
                config[key] = None
    if "class" in config:
        task = config["class"]()
        task._config.task = config["task"]
    else:
        task = ConfigurableTask(config=config)
    return task


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value.item() if hasattr(value, "item") else value


def model_of(spec):
    import torch
    from lm_eval.models.huggingface import HFLM
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_file=spec["tokenizer"], eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    end = fast.convert_tokens_to_ids("<|endoftext|>")
    torch.manual_seed(spec["seed"])
    torch.set_num_threads(1)  # tiny matrices
    config = GPT2Config(vocab_size=len(fast), bos_token_id=end, eos_token_id=end,
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **spec["config"])
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(spec["folder"])
    pathlib.Path(spec["folder"], "tokenizer.json").write_text(pathlib.Path(spec["tokenizer"]).read_text())
    return HFLM(pretrained=model, tokenizer=fast, batch_size=spec.get("batch", 1), max_length=config.n_positions)


lm = model_of(request["model"]) if "model" in request else None
if lm:
    from lm_eval import evaluator

    evaluator.add_env_info = lambda results: None  # asks pip and the graphics driver, for seconds
    manager = TaskManager(include_defaults=False)
answer = []
for place, spec in enumerate(request["tasks"]):
    task = load(spec, place)
    if lm is None:
        task.set_fewshot_seed(1234)
        items = []
        for doc in list(task.eval_docs)[: spec.get("limit")]:
            context = task.fewshot_context(doc, spec["shots"])
            made = task.construct_requests(doc, context, metadata=(task.task_name, 0, 1))
            made = made if isinstance(made, list) else [made]
            items.append({"requests": [plain(one.args) for one in made], "target": plain(task.doc_to_target(doc))})
        answer.append({"items": items})
        continue
    result = evaluator.simple_evaluate(model=lm, tasks=[task], task_manager=manager, num_fewshot=spec["shots"], limit=spec.get("limit"),
                                       log_samples=True, bootstrap_iters=0, random_seed=0, fewshot_random_seed=1234)
    [name] = result["samples"]
    samples = {sample["doc_id"]: sample for sample in result["samples"][name]}
    items = []
    for _, sample in sorted(samples.items()):
        arguments = sample["arguments"]
        if isinstance(arguments, dict):
            arguments = [[value for _, value in sorted(one.items())] for one in arguments.values()]
        items.append({"requests": plain(arguments), "responses": plain(sample["resps"])})
    metrics = {key: plain(value) for key, value in result["results"][name].items() if isinstance(value, (int, float))}
    answer.append({"items": items, "metrics": metrics})
pathlib.Path(sys.argv[2]).write_text(json.dumps(answer, default=str))
