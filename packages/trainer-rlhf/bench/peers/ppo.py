"""One PPO iteration after another with PyTorch and transformers, on request: the loop of ppo.bench.ts, step for step.

Arguments: a JSON object with the model's sizes and the batch. A line on standard input asks for one iteration; the answer
is {"seconds": s, "tokens": n}. Sampling uses transformers' generate (key-value cache), full distribution, temperature 1.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

c = json.loads(sys.argv[1])
torch.manual_seed(0)
config = GPT2Config(
    vocab_size=c["vocabSize"], n_positions=c["contextLength"], n_embd=c["nEmbd"], n_layer=c["nLayer"], n_head=c["nHead"],
    resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None, pad_token_id=0,
)
policy, reference = GPT2LMHeadModel(config).eval(), GPT2LMHeadModel(config).eval()
reference.load_state_dict(policy.state_dict())
critic, head = GPT2Model(config).eval(), torch.nn.Linear(c["nEmbd"], 1)
parameters = [*policy.parameters(), *critic.parameters(), *head.parameters()]
optimizer = torch.optim.AdamW(parameters, lr=1e-5, betas=(0.9, 0.95), weight_decay=0)
prompts = torch.randint(1, c["vocabSize"], (c["episodes"], c["promptTokens"]))
start_at, end_at = c["promptTokens"] - 1, c["promptTokens"] + c["maxTokens"] - 1


def log_probs(logits, ids):
    return torch.gather(F.log_softmax(logits[:, start_at:end_at], -1), 2, ids[:, start_at + 1 :, None])[..., 0]


def values_of(ids):
    return head(critic(ids).last_hidden_state)[:, start_at:end_at, 0]


def iteration():
    with torch.no_grad():
        ids = policy.generate(
            prompts, attention_mask=torch.ones_like(prompts), do_sample=True, top_k=0, top_p=1.0, temperature=1.0,
            max_new_tokens=c["maxTokens"], min_new_tokens=c["maxTokens"],
        )
        logits = policy(ids).logits
        old = log_probs(logits, ids)
        entropy = -(F.softmax(logits, -1) * F.log_softmax(logits, -1)).sum(-1)[:, start_at:end_at].mean()
        ref = log_probs(reference(ids).logits, ids)
        old_values = values_of(ids)
        score = (ids[:, start_at + 1 :] % 2).float().mean(1)
        rewards = -0.02 * (old - ref)
        rewards[:, -1] += score
        advantages, last = torch.zeros_like(rewards), 0
        for t in reversed(range(c["maxTokens"])):
            following = old_values[:, t + 1] if t + 1 < c["maxTokens"] else 0
            last = rewards[:, t] + following - old_values[:, t] + 0.95 * last
            advantages[:, t] = last
        returns = advantages + old_values
        advantages = (advantages - advantages.mean()) * torch.rsqrt(advantages.var() + 1e-8)
    optimizer.zero_grad()
    ratio = torch.exp(log_probs(policy(ids).logits, ids) - old)
    policy_loss = torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2)).mean()
    values = values_of(ids)
    held = old_values + (values - old_values).clamp(-0.2, 0.2)
    value_loss = 0.5 * torch.max((values - returns) ** 2, (held - returns) ** 2).mean()
    (policy_loss + 0.1 * value_loss).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return float(entropy)


iteration()
print(json.dumps({"ready": True, "threads": torch.get_num_threads()}), flush=True)
for _ in sys.stdin:
    begin = time.perf_counter()
    iteration()
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "tokens": c["episodes"] * c["maxTokens"]}), flush=True)
