"""The log that the options of `tools.preprocess table` describe, its second files included."""

from tools.common.errors import UserError
from tools.logs.blocks import names_of
from tools.logs.command_line import table_form
from tools.logs.engine import read_log
from tools.logs.sources import log_files
from tools.logs.tables import Table, join


def read_table(args, scratch):
    """The log with the attributes of its items and users.

    Raises:
        UserError: for options that belong to a file that is not given, and as `read_log`.
    """
    form, files = table_form(args), log_files(args.file, args.encoding)
    tables = {}
    for role in ("item", "user"):
        path = getattr(args, f"{role}s")
        if path is None and (getattr(args, f"{role}_id") or (role == "user" and args.user_attributes)):
            raise UserError(f"--{role}-id and its attributes go with a second file: --{role}s FILE")
        if path is not None:
            tables[role] = _table(args, role, log_files(path, args.encoding), form)
    in_log = form.columns | ({} if args.items else _own_attributes(args))
    in_log = {role: column for role, column in in_log.items() if role != "category" or not _has_category(tables)}
    log = read_log(args.file, form._replace(columns=in_log), scratch, files)
    for role, (sources, table, names) in tables.items():
        join(log, role, sources, table, names)
    return log


def _own_attributes(args):
    named = {"attribute title": args.title} if args.title else {}
    return named | {f"attribute {column}": column for column in args.attributes}


def _has_category(tables):
    return bool("item" in tables and tables["item"][1].category)


def _table(args, role, sources, form):
    """A second file, what of it is wanted, and all that it has."""
    form = form._replace(columns={}, where=(), header=True, separator=None, min_rating=None)
    names = names_of(sources[0], form)
    columns = args.attributes if role == "item" else args.user_attributes
    attributes = {(one if one in names else one.partition("|")[0]): one for one in columns}
    category = ""
    if role == "item":
        attributes |= {"title": args.title} if args.title else {}
        if args.category in names:
            category = args.category
            attributes |= {category: category}
    key = getattr(args, f"{role}_id") or getattr(args, role)
    return sources, Table(key, attributes, category, form=form), names
