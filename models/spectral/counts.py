"""How often one item followed another."""

import paddle

from models.base.fit_libraries import THREADS, in_threads

EVENTS = 1 << 19  # whose counts are made at once, at least, to spare memory
PARTS = 8  # of the events, at most


def count(sparse, items, *, item_count, maxlen, recency, outlook, backward):
    """C of `Spectral` as a sparse matrix `[item_count, item_count]`.

    Args:
        sparse: `scipy.sparse`.
        items: as in `Spectral.fit`.
        item_count: V.
        maxlen: items before an event, and from it on, that belong to it.
        recency, outlook, backward: numbers, see `Factors`.
    """
    first, end = items.offsets[:-1], items.offsets[1:]
    lengths, events = end - first, len(items.values)
    event = paddle.arange(events).numpy()
    before = (event - first.repeat(lengths)).clip(max=maxlen)  # how many items belong to each event
    after = (end.repeat(lengths) - event).clip(max=maxlen)

    def of(part):
        left = shares(sparse, items.values, part - 1, -1, before[part], recency, item_count)
        right = shares(sparse, items.values, part, 1, after[part], outlook, item_count)
        return (right.T @ left).T  # by rows, where leftᵀ right would be by columns

    step, total = max(EVENTS, -(-events // PARTS)), sparse.csr_matrix((item_count,) * 2, dtype="float32")
    for at in range(0, events, step):
        part = event[at : at + step]
        half = -(-len(part) // THREADS)
        total = total + sum(in_threads(of, [part[start : start + half] for start in range(0, len(part), half)]))
    return total + backward * total.T


def shares(sparse, values, first, step, number, decay, item_count):
    """What the items of each event count: a CSR matrix `[E, item_count]`; a row's sum is 1, or 0 without items.

    Args:
        sparse: `scipy.sparse`.
        values: items, of which an event has those at `first`, `first + step`, …; they count 1, decay, decay² …
        first, number: where its items begin, and how many there are, `[E]`.
        step: 1 or -1.
        decay, item_count: numbers.
    """
    end = number.cumsum()
    start, entries = end - number, int(number.sum())
    column, entry = paddle.empty([entries], "int32").numpy(), paddle.empty([entries], "float32").numpy()
    weight = paddle.to_tensor(decay) ** paddle.arange(int(number.max()), dtype="float32")
    total = paddle.concat([paddle.ones([1]), weight.cumsum()]).numpy()[number]  # 1 where there is nothing to divide
    for n, one in enumerate(weight.tolist()):
        event = (number > n).nonzero()[0]
        place = start[event] + n
        column[place] = values[first[event] + n * step]
        entry[place] = one / total[event]
    bounds = paddle.concat([paddle.zeros([1], "int64"), paddle.to_tensor(end, "int64")]).numpy()
    return sparse.csr_matrix((entry, column, bounds), shape=(len(number), item_count))
