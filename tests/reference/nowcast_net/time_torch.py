"""Seconds that the rain network needs in PyTorch on the CPU for 512 x 512 cells and 12 lead times, beside the test `speed::probabilities_of_512_by_512_cells_and_12_lead_times`.

The same arithmetic with weights drawn at random: features once, the head for each lead time, probabilities at the places of the reference time.

    python3 -m venv venv && venv/bin/pip install torch numpy && venv/bin/python time_torch.py [threads]
"""
import math, sys, time
import torch
from torch import nn
from torch.nn import functional as F

from analytic import THRESHOLDS_MM_H, forecasts

torch.manual_seed(1)
torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
J, S, WIDTH, FINE, WORDS, CHANNELS = 8, 11, 24, 12, 32, (32, 48, 64, 64)
THRESHOLDS = torch.tensor(THRESHOLDS_MM_H).view(1, J, 1, 1)
LEVEL = torch.tensor([0.0, 1.3, 2.3, 3.3, 4.3, 5.3, 2.5, 0.0, 0.8, 1.0, 1.2])
norm = lambda c: nn.GroupNorm(4, c)
three = lambda a, b: nn.Conv2d(a, b, 3, padding=1)


class Down(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.c1, self.n1, self.c2, self.n2 = three(a, b), norm(b), three(b, b), norm(b)
        self.k = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

    def forward(self, x):
        return F.silu(self.n2(self.c2(F.silu(self.n1(self.c1(x))))) + self.k(x))


class Up(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.c, self.n = three(a, a), norm(a)

    def forward(self, x):
        return F.silu(self.n(self.c(x)) + x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(Down(a, b) for a, b in zip((36,) + CHANNELS, CHANNELS))
        self.cross = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(CHANNELS, CHANNELS[1:]))
        self.up = nn.ModuleList(Up(c) for c in CHANNELS[:-1])
        self.lat, self.f1, self.f2 = nn.Conv2d(CHANNELS[0], WIDTH, 1), three(9, FINE), three(FINE, WIDTH)
        self.mlp, self.film, self.tab, self.shift = nn.Linear(4, WORDS), nn.Linear(WORDS, 2 * WIDTH), nn.Linear(WORDS, S * J), nn.Linear(WORDS, J)
        self.w1, self.w2 = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, S + J, 1)

    def features(self, rain, valid, motion, step):
        shape = (rain.shape[0], 1) + rain.shape[2:]
        logs = torch.log10(1 + rain / 0.1) / 1.5
        x = torch.cat([logs, valid[:, :1], valid.amin(1, True), 2 * motion, (step / 15) * torch.ones(shape)], 1)
        y, skips = F.pixel_unshuffle(x, 2), []
        for level, down in enumerate(self.down):
            y = down(y if level == 0 else F.avg_pool2d(y, 2))
            skips.append(y)
        for level in (2, 1, 0):
            y = self.up[level](skips[level] + F.interpolate(self.cross[level](y), scale_factor=2))
        return self.w1(F.interpolate(self.lat(y), scale_factor=2) + self.f2(F.silu(self.f1(x))))

    def head(self, g, analytic, minutes):
        words = F.silu(self.mlp(torch.tensor([[minutes / 60, math.log2(minutes / 5) / 3.6, (minutes / 60) ** 0.5, 1.0]])))
        a, b = self.film(words).view(1, 2 * WIDTH, 1, 1).chunk(2, 1)
        o = self.w2(F.silu(g * (1 + a) + b))
        trust = -0.4 * (LEVEL - math.log2(minutes / 5)) ** 2
        table = (trust.view(1, S, 1) + self.tab(words).view(1, S, J)).clamp(-12, 12).exp()
        weight = o[:, :S].clamp(-6, 6).exp().unsqueeze(2) * table.view(1, S, J, 1, 1)
        p = (weight * analytic).sum(1) / weight.sum(1).clamp_min(1e-6)
        before, eps = torch.cat([torch.ones_like(p[:, :1]), p[:, :-1]], 1), 3e-4
        first = torch.arange(J).view(1, J, 1, 1) == 0
        c = ((p + torch.where(first, eps, 0.3 * eps)) / (before + torch.where(first, 2 * eps, eps))).clamp(1e-4, 1 - 1e-3)
        z = torch.log(c) - torch.log1p(-c) + self.shift(words).view(1, J, 1, 1) + o[:, S:]
        return F.logsigmoid(z).cumsum(1).exp()


with torch.inference_mode():
    net, n = Net(), 512
    y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    rain = (3 * torch.sin(x / 23) * torch.cos(y / 31)).clamp_min(0).expand(1, 4, n, n).contiguous()
    valid, motion = torch.ones_like(rain), torch.zeros(1, 2, n, n)
    best = cpu = 1e9
    for _ in range(4):
        started, before = time.perf_counter(), time.process_time()
        g, analytic = net.features(rain, valid, motion, 5.0), forecasts(rain, valid, THRESHOLDS)
        for k in range(12):
            net.head(g, analytic, 5.0 * (k + 1))
        best, cpu = min(best, time.perf_counter() - started), min(cpu, time.process_time() - before)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads: {best:.2f} s, {cpu:.2f} s CPU")
