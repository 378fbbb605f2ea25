"""ComiRec's protocol: users cut 80:10:10, all their events kept (Cen et al., KDD 2020)."""

CUTS = (0.8, 0.9)  # where the shuffled users are cut into train, valid and test
DROPPED = ""  # what the events are that `kept_events` leaves out


def kept_events(lengths):
    """How many of the events of each evaluated user are kept, `[U]`: all of them."""
    return lengths
