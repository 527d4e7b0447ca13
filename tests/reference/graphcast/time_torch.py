"""Seconds of one message-passing step at (40,962 nodes, 327,660 edges, latent 512) in PyTorch on the CPU, beside `graph::tests::speed`.

Twice: as the published program writes it (edge, sender and receiver side by side), and with our order of the same products
(a, b) W = a W_a + b W_b, in which each node is multiplied once.

    python3 -m venv venv && venv/bin/pip install torch numpy && venv/bin/python time_torch.py [threads]
"""
import sys, time
import torch

torch.manual_seed(1)
torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
N, E, L = 40_962, 327_660, 512
receivers = torch.arange(E) % N
receivers, _ = torch.sort(receivers)
senders = torch.randint(0, N, (E,))
weights = lambda rows: torch.randn(rows, L) / rows**0.5
bias = lambda: torch.randn(L) * 0.1
W1, W2, U1, U2, b1, b2, c1, c2, g1, o1, g2, o2 = weights(3 * L), weights(L), weights(2 * L), weights(L), *(bias() for _ in range(8))
norm = lambda x, g, o: torch.nn.functional.layer_norm(x, (L,), g, o, 1e-5)
silu = torch.nn.functional.silu


def finish(first, nodes, edges):
    message = norm(torch.addmm(b2, silu(first), W2), g1, o1)
    sums = torch.zeros(N, L).index_add_(0, receivers, message)
    update = norm(torch.addmm(c2, silu(torch.addmm(c1, torch.cat([nodes, sums], 1), U1)), U2), g2, o2)
    return nodes + update, edges + message


def published(nodes, edges):
    return finish(torch.addmm(b1, torch.cat([edges, nodes[senders], nodes[receivers]], 1), W1), nodes, edges)


def ours(nodes, edges):
    sent, heard = nodes @ W1[L:2 * L], torch.addmm(b1, nodes, W1[2 * L:])
    return finish((edges @ W1[:L]).add_(sent[senders]).add_(heard[receivers]), nodes, edges)


with torch.inference_mode():
    nodes, edges = torch.randn(N, L), torch.randn(E, L)
    for name, step in (("as published", published), ("our order of products", ours)):
        best = cpu = 1e9
        for _ in range(3):
            started, before = time.perf_counter(), time.process_time()
            step(nodes, edges)
            best, cpu = min(best, time.perf_counter() - started), min(cpu, time.process_time() - before)
        print(f"{torch.get_num_threads()} threads, {name}: {best:.2f} s, {cpu:.2f} s CPU")
