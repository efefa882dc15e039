# The twin of train-brickwork.mjs in PyTorch: the same model, the same batches in shape, AdamW and clipping.
# python3 scripts/bench/train-torch.py '{"layers":4,…}' steps warmup
import json, resource, sys, time
import torch
from torch import nn
from torch.nn import functional as F

size, steps, warmup = (json.loads(a) for a in sys.argv[1:4])
L, C, H, V, B, T = (size[k] for k in ("layers", "C", "heads", "V", "B", "T"))
torch.set_num_threads(size.get("threads", 2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.fc, self.out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        self.register_buffer("mask", torch.tril(torch.ones(T, T)).view(1, 1, T, T) == 0)

    def forward(self, x):
        q, k, v = (t.view(B, T, H, C // H).transpose(1, 2) for t in self.qkv(self.ln_1(x)).split(C, 2))
        a = (q @ k.transpose(-2, -1)) * (C // H) ** -0.5
        a = F.softmax(a.masked_fill(self.mask, float("-inf")), -1)
        x = x + self.proj((a @ v).transpose(1, 2).contiguous().view(B, T, C))
        return x + self.out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(size["block"], C)
        self.h = nn.ModuleList(Block() for _ in range(L))
        self.ln_f = nn.LayerNorm(C)
        nn.init.normal_(self.wte.weight, 0, 0.02)

    def forward(self, ids, labels):
        x = self.wte(ids) + self.wpe(torch.arange(T))
        for block in self.h:
            x = block(x)
        return F.cross_entropy((self.ln_f(x) @ self.wte.weight.t()).view(-1, V), labels.view(-1))


model = GPT()
decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() <= 1]
groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), foreach=size.get("foreach", True))
times = []
for step in range(steps + warmup):
    tokens = torch.randint(0, V, (B, T + 1))
    ids, labels = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    begin = time.perf_counter()
    loss = model(ids, labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step >= warmup:
        times.append((time.perf_counter() - begin) * 1000)
print(json.dumps({"times": times, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
