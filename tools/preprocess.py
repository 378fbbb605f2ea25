"""Make a data set from a raw log.

Example: python -m tools.preprocess movielens-100k
Example: python -m tools.preprocess sequences sequences.txt.xz --attributes item_attributes.json.xz
Example: python -m tools.preprocess table clicks.csv --user uid --item sku --time ts --output data/clicks
Example: python -m tools.preprocess amazon reviews_Books.json.gz --metadata meta_Books.json.gz
Example: python -m tools.preprocess taobao UserBehavior.csv --behavior pv buy
"""

import contextlib

from tools.common import progress
from tools.common.errors import command
from tools.common.files import atomic_folder, scratch_folder
from tools.common.replacing import writing
from tools.logs.amazon import add_metadata
from tools.logs.command_line import check_users, form_of, output_folder, parse_args, report
from tools.logs.interactions import read_movielens, read_sequence_file
from tools.logs.large import read_log, wants_engine
from tools.logs.protocol import prepare
from tools.logs.replaced import check_kept
from tools.logs.tables import read_table
from tools.logs.write_dataset import write_dataset


@command
def main(argv=None):
    """Read, prepare, write, report."""
    args = parse_args(argv, "python -m tools.preprocess", __doc__)
    output = output_folder(args)
    with progress.logging_to_terminal(), contextlib.ExitStack() as stack:
        stack.enter_context(writing(output))
        prepared, log = _prepare(args, output, lambda: stack.enter_context(scratch_folder(output)))
        with progress.stage(f"write {output}", quick=0) as counted, atomic_folder(output) as folder:
            meta = write_dataset(folder, prepared, log, args.protocol)
            check_kept(output, folder, overwrite=args.overwrite)
            counted |= {name: one["users"] for name, one in meta["splits"].items()}
    print(report(output, meta))


def _prepare(args, output, scratch):
    with progress.stage("read", quick=0) as counted:
        log = _read(args, output, scratch)
        counted |= {"interactions": len(log.item), "users": len(log.user_names), "items": len(log.item_names)}
    with progress.stage("filter, number and split", quick=0) as counted:
        prepared = prepare(log, protocol=args.protocol, min_count=args.min_count)
        users, items = len(prepared.user_codes), len(prepared.item_codes)
        counted |= {"interactions": int(prepared.lengths.sum()), "users": users, "items": items}
    check_users(prepared, log)
    return prepared, log


def _read(args, output, scratch):
    if args.source == "movielens-100k":
        return read_movielens(output.parent / "download")
    if args.source == "sequences":
        return read_sequence_file(args.file, args.attributes)
    form = form_of(args)
    if args.source == "table" and not wants_engine(args.file):
        return read_table(args.file, **form.columns, min_rating=args.min_rating)
    log = read_log(args.file, form, scratch())
    if args.source == "amazon" and args.metadata is not None:
        add_metadata(log, args.metadata)
    return log


if __name__ == "__main__":
    main()
