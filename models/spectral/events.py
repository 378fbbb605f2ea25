"""What came before an event of a training user, and what came from it on."""

import paddle

SORTED = 32  # batches that are dealt at once


class Items:
    """Users' items one user after the other: `values` `[E]`, and `offsets` `[U + 1]` of each user's first."""

    def __init__(self, values, offsets):
        self.values, self.offsets = values, offsets


def some_users(items, chosen):
    """The items of the chosen users alone; `chosen` is an array of `[U]` bool."""
    lengths = items.offsets[1:] - items.offsets[:-1]
    offsets = paddle.to_tensor([0, *lengths[chosen].cumsum().tolist()]).numpy()
    return Items(items.values[chosen.repeat(lengths)], offsets)


def passes(place, *, epochs, size):
    """Batches of places `[N]`, in each pass all of them in any order, and how many batches there are."""
    orders = (place[paddle.randperm(len(place))] for _ in range(epochs))
    batches = (order[at : at + size] for order in orders for at in range(0, len(order), size))
    return batches, epochs * -(-len(place) // size)


def of_like_lengths(events, batches):
    """Batches of places, `[B]` each, 32 of them at a time dealt anew: those of a batch have as long histories.

    Most histories are short. Where each batch has a long one, three quarters of its places are padding.
    """
    batches = iter(batches)
    while some := [one for _, one in zip(range(SORTED), batches, strict=False)]:
        place = paddle.concat(some)
        dealt = place[events.number_before(place).argsort()].split([len(one) for one in some])
        yield from (dealt[index] for index in paddle.randperm(len(dealt)).tolist())


class Events:
    """The training users' events, one user after the other.

    Args:
        items: `items.values` `[E]` and `items.offsets` `[U + 1]`.
        reach: T, how many items before an event and from it on belong to it.
    """

    def __init__(self, items, reach):
        self.values = paddle.to_tensor(items.values).astype("int64")
        offsets = paddle.to_tensor(items.offsets).astype("int64")
        self.first, self.end = offsets[:-1], offsets[1:]  # [U]
        self.user = paddle.repeat_interleave(paddle.arange(len(self.first)), self.end - self.first)  # [E]
        self.reach = paddle.arange(reach)
        self.taught = (self.end - self.first > 1).nonzero().flatten()  # users with an event that has one before

    def of(self, chosen):
        """Events of some users, `[U]` bool, that have one before: their places among all, `[N]`."""
        place = paddle.arange(len(self.values))
        return place[paddle.logical_and(place > self.first[self.user], chosen[self.user])]

    def before(self, place):
        """Items before each of the events `[B]`, the latest first, and which of them are real: twice `[B, T]`."""
        where = place.unsqueeze(1) - 1 - self.reach
        return self.values[paddle.clip(where, min=0)], where >= self.first[self.user[place]].unsqueeze(1)

    def after(self, place):
        """Items from each of the events `[B]` on, and which of them are real: twice `[B, T]`."""
        where = place.unsqueeze(1) + self.reach
        real = where < self.end[self.user[place]].unsqueeze(1)
        return self.values[paddle.clip(where, max=len(self.values) - 1)], real

    def number_before(self, place):
        """How many items there are before each of the events `[B]`, at most T: `[B]`."""
        return paddle.clip(place - self.first[self.user[place]], max=len(self.reach))

    def draw(self, number):
        """So many events that have one before, of users drawn alike: their places among all, `[number]`."""
        user = self.taught[paddle.randint(0, len(self.taught), [number])]
        earlier = paddle.rand([number]) * (self.end - self.first - 1)[user].astype("float32")
        return self.first[user] + 1 + earlier.astype("int64")

    def histories(self, place):
        """Items before each of the events `[B]`, the latest last: right-padded `[B, T]` and their number `[B]`."""
        number = self.number_before(place)
        start = place - number
        where = start.unsqueeze(1) + self.reach
        real = (where < place.unsqueeze(1)).astype("int64")
        return self.values[paddle.clip(where, max=len(self.values) - 1)] * real, number
