"""Make a data set from a raw log.

Example: python -m tools.preprocess movielens-100k
Example: python -m tools.preprocess table clicks.csv --user uid --item sku --time ts --output data/clicks
Example: python -m tools.preprocess table events.csv.zip --user visitorid --item itemid --where event=transaction
Example: python -m tools.preprocess movielens ml-1m.zip
Example: python -m tools.preprocess amazon reviews_Books.json.gz --metadata meta_Books.json.gz
Example: python -m tools.preprocess taobao UserBehavior.csv --behavior pv buy
Example: python -m tools.preprocess split train.csv test.csv --user uid --item sku --time ts --output data/ready
Example: python -m tools.preprocess amazon reviews_Beauty_5.json.gz --protocol leave_one_out --full
Example: python -m tools.preprocess taobao UserBehavior.csv --protocol time --test-from 2017-12-03
Example: python -m tools.preprocess sequences sequences.txt.xz --attributes item_attributes.json.xz
Example: python -m tools.preprocess table clicks.csv --user uid --item sku --extend data/monday --output data/tuesday
"""

from tools.common.errors import UserError, command
from tools.logs.atomic import ready_splits, second_files
from tools.logs.command_line import (
    build_options,
    output_folder,
    parse_args,
    protocol_of_others,
    split_options,
    table_form,
)
from tools.logs.interactions import read_movielens, read_sequence_file
from tools.logs.pipeline import build, report
from tools.logs.presets import PRESETS
from tools.logs.read_preset import preset_form, read_preset
from tools.logs.read_table import read_table
from tools.logs.ready import build_ready


@command
def main(argv=None):
    """Read, prepare, write, report."""
    args = parse_args(argv, "python -m tools.preprocess", __doc__)
    output = output_folder(args)
    if args.source == "movielens-100k" and args.extend:
        raise UserError("--extend: movielens-100k is one log, which never grows; leave the option out")
    if args.source == "split":
        meta = build_ready(output, args.file, table_form(args), **split_options(args))
    elif args.source == "recbole" and (ready := ready_splits(args.file)):
        edition, files = ready
        options = {"protocol": protocol_of_others(args), "ties": args.ties or "draw", "overwrite": args.overwrite}
        options |= {"tables": second_files(args.file, edition), "extend": args.extend}
        meta = build_ready(output, [one.path for (one,) in files], preset_form(edition, args), files=files, **options)
    else:
        meta = build(output, lambda scratch: _read(args, output, scratch), **build_options(args))
    print(report(output, meta))


def _read(args, output, scratch):
    if args.source == "movielens-100k":
        return read_movielens(output.parent / "download")
    if args.source == "sequences":
        return read_sequence_file(args.file, args.attributes)
    return read_preset(PRESETS[args.source], args, scratch) if args.source in PRESETS else read_table(args, scratch)


if __name__ == "__main__":
    main()
