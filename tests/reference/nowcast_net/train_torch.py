"""Takes the steps of a training of the rain network in PyTorch, on a graphics card if there is one, on the windows that `nowblend train` draws.

The same network, loss, optimiser and order of windows as `nowblend train` has, written anew; the loss of the first steps agrees with it to
five digits. Weights of the moving average are left in OUT/STEP.safetensors every `validate_every` steps; a recipe with `steps = 0` and one of
these as `start_from` scores them on the validation events and keeps them with their yes-thresholds.

    python3 -m venv venv && venv/bin/pip install torch numpy
    mkfifo windows
    nowblend train --config configs/train.toml --seed 1 --windows windows &
    venv/bin/python tests/reference/nowcast_net/train_torch.py windows configs/train.toml OUT
"""
import json, math, os, queue, struct, sys, threading, time, tomllib
import numpy as np, torch
from torch.nn import functional as F

from analytic import THRESHOLDS_MM_H, forecasts

J, S, WIDTH, N = 8, 11, 24, 128
LEVEL = [0.0, 1.3, 2.3, 3.3, 4.3, 5.3, 2.5, 0.0, 0.8, 1.0, 1.2]
ALPHA = [0.6, 0.8, 1.0, 1.2, 1.6, 1.8, 1.8, 1.5]
BRIER = [0.25, 0.45, 0.75, 2.0, 4.0, 7.5, 15.0, 10.0]
windows, config, out = open(sys.argv[1], "rb", buffering=1 << 22), sys.argv[2], sys.argv[3]
os.makedirs(out, exist_ok=True)
gpu = torch.cuda.is_available()
dev = torch.device("cuda" if gpu else "cpu")
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
torch.set_num_threads(1)
R = dict(steps=3000, batch=4, learning_rate=3e-3, warmup=100, weight_decay=1e-2, average=0.999, validate_every=250)
R.update(tomllib.load(open(config, "rb"))["train"].get("recipe", {}))
steps, B = R["steps"], R["batch"]
begun = time.time()


def load(b):
    n = struct.unpack("<Q", b[:8])[0]
    h = json.loads(b[8:8 + n])
    h.pop("__metadata__", None)
    part = lambda v: np.frombuffer(b[8 + n:][slice(*v["data_offsets"])], "<f4").reshape(v["shape"])
    return {k: part(v) for k, v in sorted(h.items())}


def save(path, arrays):
    h, at, parts = {}, 0, []
    for k, a in arrays.items():
        d = np.ascontiguousarray(a, dtype="<f4").tobytes()
        h[k] = dict(dtype="F32", shape=list(a.shape), data_offsets=[at, at + len(d)])
        at += len(d)
        parts.append(d)
    t = json.dumps(h).encode()
    t += b" " * (-len(t) % 8)
    open(path, "wb").write(struct.pack("<Q", len(t)) + t + b"".join(parts))


start = load(windows.read(struct.unpack("<Q", windows.read(8))[0]))
names = list(start)
flat = torch.from_numpy(np.concatenate([start[k].ravel() for k in names])).to(dev)
sizes = [start[k].size for k in names]
ends = np.cumsum([0] + sizes)
P = {k: flat[a:a + s].view(start[k].shape).detach().requires_grad_() for k, a, s in zip(names, ends, sizes)}
leaves = [P[k] for k in names]
seg = torch.from_numpy(np.repeat(np.arange(len(names)), sizes)).to(dev)
m, v, average = torch.zeros_like(flat), torch.zeros_like(flat), flat.clone()

c1 = lambda values: torch.tensor(values, device=dev)
each = lambda values: c1(values).view(1, J, 1, 1)
THR, AL, BR = each(THRESHOLDS_MM_H), each(ALPHA), each(BRIER)
LEV = c1(LEVEL)
eps_a = each([3e-4] + [0.9e-4] * 7)
eps_b = each([6e-4] + [3e-4] * 7)
conv = lambda x, k, pad: F.conv2d(x, P[k + ".weight"], P[k + ".bias"], padding=pad)
gn = lambda x, k: F.group_norm(x, 4, P[k + ".gamma"], P[k + ".beta"], 1e-5)
lin = lambda x, k: x @ P[k + ".weight"] + P[k + ".bias"]
up2 = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")


def encode(rain, valid, motion, step):
    logs = torch.log10(1 + rain / 0.1) / 1.5
    x = torch.cat([logs, valid[:, :1], valid.amin(1, True), 2 * motion, (step / 15).view(-1, 1, 1, 1).expand(-1, 1, N, N)], 1)
    y, skips = F.pixel_unshuffle(x, 2), []
    for l in range(4):
        if l: y = F.avg_pool2d(y, 2)
        e = f"body.enc.{l}"
        k = conv(y, e + ".k", 0) if e + ".k.weight" in P else y
        y = F.silu(gn(conv(F.silu(gn(conv(y, e + ".c1", 1), e + ".n1")), e + ".c2", 1), e + ".n2") + k)
        skips.append(y)
    for l in (2, 1, 0):
        z = skips[l] + up2(conv(y, f"body.up.{l}", 0))
        y = F.silu(gn(conv(z, f"body.dec.{l}.c", 1), f"body.dec.{l}.n") + z)
    return conv(up2(conv(y, "lat", 0)) + conv(F.silu(conv(x, "f1", 1)), "f2", 1), "w1", 0)


def head(g, A, lead):
    n = lead.shape[0]
    e = F.silu(lin(torch.stack([lead / 60, torch.log2(lead / 5) / 3.6, (lead / 60).sqrt(), torch.ones_like(lead)], 1), "mlp"))
    a, b = lin(e, "film").view(n, 2 * WIDTH, 1, 1).chunk(2, 1)
    o = conv(F.silu(g * (1 + a) + b), "w2", 0)
    trust = -0.4 * (LEV.view(1, S) - torch.log2(lead / 5).view(n, 1)) ** 2
    table = (trust.view(n, S, 1) + lin(e, "tab").view(n, S, J)).clamp(-12, 12).exp()
    weight = o[:, :S].clamp(-6, 6).exp().unsqueeze(2) * table.view(n, S, J, 1, 1)
    p = (weight * A).sum(1) / weight.sum(1).clamp_min(1e-6)
    before = torch.cat([torch.ones_like(p[:, :1]), p[:, :-1]], 1)
    c = ((p + eps_a) / (before + eps_b)).clamp(1e-4, 1 - 1e-3)
    z = lin(e, "bias").view(n, J, 1, 1) + o[:, S:]
    return (c / (c + (1 - c) * torch.exp(-z))).log().cumsum(1).exp()


def carried(p, source):
    # Where -1 and 1 are the centres of the outermost cells; columns come first.
    return F.grid_sample(p, 2 / (N - 1) * source.flip(1).permute(0, 2, 3, 1) - 1, align_corners=True)


def lesson(rain, valid, motion, step, lead, truth, source):
    g, A, total = encode(rain, valid, motion, step), forecasts(rain, valid, THR), 0
    for l in range(2):
        t = truth[:, l:l + 1]
        seen = (~torch.isnan(t)).float()
        share = (lead[:, l] / 30) ** -0.4 / (seen.sum().clamp_min(1) * 2)
        over = (torch.nan_to_num(t) >= THR).float()
        held = carried(head(g, A, lead[:, l]), source[:, l]).clamp(1e-6, 1 - 1e-6)
        right = over * held + (1 - over) * (1 - held)
        total = total + ((BR * (1 - right) ** 2 - AL * right.log()) * (seen * share.view(-1, 1, 1, 1))).sum()
    return total

tiny = torch.finfo(torch.float32).tiny
knobs = torch.zeros(4, device=dev)  # rate, 1 - b1^t, 1 - b2^t, memory
static = dict(rain=torch.zeros(B, 4, N, N, device=dev), valid=torch.ones(B, 4, N, N, device=dev), motion=torch.zeros(B, 2, N, N, device=dev),
              step=torch.full((B,), 5.0, device=dev), lead=torch.full((B, 2), 30.0, device=dev), truth=torch.zeros(B, 2, N, N, device=dev),
              source=torch.zeros(B, 2, 2, N, N, device=dev))
loss_now = torch.zeros((), device=dev)


def work():
    total = lesson(**static)
    grads = torch.autograd.grad(total, leaves)
    with torch.no_grad():
        g = torch.cat([x.reshape(-1) for x in grads])
        norm = torch.zeros(len(names), device=dev).index_add_(0, seg, g * g).sqrt()
        g = g * (1 / (norm + tiny)).clamp(max=1.0)[seg]
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.98).addcmul_(g, g, value=0.02)
        flat.mul_(1 - knobs[0] * R["weight_decay"])
        flat.sub_(knobs[0] * (m / knobs[1]) / ((v / knobs[2]).sqrt() + 1e-8))
        average.mul_(knobs[3]).add_(flat * (1 - knobs[3]))
        loss_now.copy_(total.detach())


def rate(step):
    if step < R["warmup"]: return R["learning_rate"] * (step + 1) / R["warmup"]
    part = (step - R["warmup"]) / max(R["steps"] - R["warmup"], 1)
    return R["learning_rate"] * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))

each_floats = 16 * N * N + 3
ready = queue.Queue(maxsize=24)


def reader():
    for _ in range(steps):
        b = windows.read(4 * each_floats * B)
        a = torch.from_numpy(np.frombuffer(b, "<f4").reshape(B, each_floats).copy())
        ready.put(a.pin_memory() if gpu else a)

if gpu:
    saved = [x.clone() for x in (flat, m, v, average)]
    knobs.copy_(torch.tensor([0.0, 0.1, 0.02, 1.0]))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3): work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph): work()
    for x, s in zip((flat, m, v, average), saved): x.copy_(s)
threading.Thread(target=reader, daemon=True).start()
mean, every = None, R["validate_every"]
print(f"{time.time() - begun:.1f} s: graph ready", flush=True)
losses = []
for step in range(steps):
    a = ready.get()
    if gpu: a = a.to(dev, non_blocking=True)
    planes = a[:, :16 * N * N].view(B, 16, N, N)
    static["rain"].copy_(planes[:, :4])
    static["valid"].copy_(planes[:, 4:8])
    static["motion"].copy_(planes[:, 8:10])
    static["truth"].copy_(planes[:, 10:12])
    static["source"].copy_(planes[:, 12:].view(B, 2, 2, N, N))
    static["step"].copy_(a[:, -3])
    static["lead"].copy_(a[:, -2:])
    k = torch.tensor([rate(step), 1 - 0.9 ** (step + 1), 1 - 0.98 ** (step + 1), min(R["average"], (1 + step) / (10 + step))])
    knobs.copy_(k.pin_memory() if gpu else k, non_blocking=True)
    graph.replay() if gpu else work()
    losses.append(loss_now.clone())
    if step < 3 or (step + 1) % 100 == 0:
        for x in losses:
            x = x.item()
            assert math.isfinite(x), step
            mean = x if mean is None else 0.98 * mean + 0.02 * x
        losses = []
        print(f"{time.time() - begun:.1f} s: step {step + 1} loss {mean:.4f}, queue {ready.qsize()}", flush=True)
    if (step + 1) % every == 0 or step + 1 == steps:
        w = average.cpu().numpy()
        save(f"{out}/{step + 1}.safetensors", {k: w[a:a + s].reshape(start[k].shape) for k, a, s in zip(names, ends, sizes)})
print(f"{time.time() - begun:.1f} s: done", flush=True)
