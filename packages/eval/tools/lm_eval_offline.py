"""Lets lm-evaluation-harness be imported offline: what is only needed for metrics and writers that are not used is stubbed.

Import this before anything of lm_eval, datasets or transformers.
"""
import importlib.machinery, os, sys, types

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


def missing(attribute):
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return type(attribute, (), {})


for name in ("evaluate", "sqlitedict", "jsonlines", "pytablewriter", "word2number", "rouge_score"):
    try:
        __import__(name)
    except ImportError:
        module = types.ModuleType(name)
        module.__getattr__ = missing
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module
