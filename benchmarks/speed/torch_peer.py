"""MIND's training step in PyTorch, the same work as `benchmarks.speed.train`'s, as one JSON line; needs PyTorch alone.

Example: python -m benchmarks.speed.torch_peer --mode compile --batch 128

Sparse table and SparseAdam, log-uniform negatives with log-Q, routing with a constant coupling, hard read-out. Batches
are made before the clock starts, so that no reader is in its time; ours has it. `benchmarks.speed.train --peer` runs
this.
"""

import argparse
import json
import math
import statistics
import time

from tools.common.errors import UserError, command

try:
    import torch
except ImportError:
    torch = None

MAXLEN, INTERESTS, SIZE, ROUNDS, RUNS, WARM = 20, 4, 64, 3, 3, 10


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("eager", "compile"), default="compile")
    parser.add_argument("--item_count", type=int, default=368_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--negatives", type=int, default=1280)
    parser.add_argument("--steps", type=int, default=100, help="steps a run; the median of 3 runs counts")
    args = parser.parse_args(argv)
    if torch is None:
        raise UserError("this Python has no PyTorch; run this with one that has it")
    torch.manual_seed(0)
    step, batches = Step(args), [make_batch(args) for _ in range(args.steps)]
    for batch in batches[:WARM]:
        step(*batch)
    seconds, cpu = [], []
    for _ in range(RUNS):
        start, own = time.perf_counter(), time.process_time()
        for batch in batches:
            step(*batch)
        seconds.append((time.perf_counter() - start) / args.steps)
        cpu.append((time.process_time() - own) / args.steps)
    row = {
        "mode": args.mode, "batch": args.batch, "ms_per_step": round(1e3 * statistics.median(seconds), 2),
        "cpu_ms_per_step": round(1e3 * statistics.median(cpu), 2), "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }  # fmt: skip
    print(json.dumps(row))


def make_batch(args):
    """Histories `[B, T]`, targets `[B]` and log-uniform negatives `[n]`."""
    history = torch.randint(1, args.item_count, (args.batch, MAXLEN))
    negative = torch.exp(torch.rand(args.negatives, dtype=torch.float64) * math.log(args.item_count)).long()
    return history, torch.randint(1, args.item_count, (args.batch,)), negative.clamp(1, args.item_count - 1)


class Step:
    """Forward, backward and update."""

    def __init__(self, args):
        self.table = torch.nn.Embedding(args.item_count, SIZE, sparse=True)
        torch.nn.init.normal_(self.table.weight, std=SIZE**-0.5)
        self.matrix = torch.nn.Parameter(torch.randn(SIZE, SIZE) * SIZE**-0.5)
        self.sparse = torch.optim.SparseAdam(self.table.parameters(), lr=1e-3)
        self.dense = torch.optim.Adam([self.matrix], lr=1e-3)
        self.loss = torch.compile(self.plain_loss) if args.mode == "compile" else self.plain_loss
        rank = torch.arange(1, args.item_count + 1, dtype=torch.float64)
        chance = torch.log1p(1 / rank) / math.log(args.item_count)
        self.log_q = torch.cat([chance[:1], chance[:-1]]).log().float() + math.log(args.negatives)  # of item i at i

    def __call__(self, history, target, negative):
        """One step on a batch."""
        rows = self.table(torch.cat([history.flatten(), target, negative]))
        own, target_eb, negative_eb = rows.split([history.numel(), len(target), len(negative)])
        logits = torch.randn(len(history), INTERESTS, MAXLEN)
        same = target.unsqueeze(1) == negative
        parts = (own.view(*history.shape, SIZE), target_eb, negative_eb, logits, same)
        loss = self.loss(*parts, self.log_q[target], self.log_q[negative])
        loss.backward()
        for optimizer in (self.sparse, self.dense):
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    def plain_loss(self, history, target, negative, logits, same, target_log_q, negative_log_q):
        """Mean sampled softmax of the interest that scores highest for the target."""
        behaviour = history @ self.matrix  # [B, T, D]
        frozen = behaviour.detach()
        for _ in range(ROUNDS - 1):
            logits = logits + squash(torch.softmax(logits, 1) @ frozen) @ frozen.transpose(1, 2)
        interests = squash(torch.softmax(logits, 1) @ behaviour)  # [B, K, D]
        best = torch.argmax((interests @ target.unsqueeze(2)).squeeze(2), 1)
        user = interests[torch.arange(len(interests)), best]  # [B, D]
        positive = (user * target).sum(1, keepdim=True) - target_log_q.unsqueeze(1)
        negatives = (user @ negative.t() - negative_log_q).masked_fill(same, -math.inf)  # [B, n]
        return torch.nn.functional.cross_entropy(
            torch.cat([positive, negatives], 1), torch.zeros(len(user), dtype=torch.long)
        )


def squash(capsule):
    """MIND eq. 7."""
    square = (capsule * capsule).sum(-1, keepdim=True)
    return capsule * (square / (1 + square) / torch.sqrt(square + 1e-9))


if __name__ == "__main__":
    main()
