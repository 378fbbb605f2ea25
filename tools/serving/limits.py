"""How large requests of a service may be."""

TOP_N = 50  # where a request doesn't say
LONGEST_LIST = 1000  # items of a list
MOST_HISTORIES = 256  # of a request
MOST_BODY = 1 << 20  # bytes of a request
MOST_OPEN = 1024  # connections
