"""The log of a public data set, by its entry in `tools.logs.presets`."""

import fnmatch
import logging
import re
from itertools import islice
from pathlib import Path

from tools.common.errors import UserError
from tools.common.files import line_blocks
from tools.common.packed import Source
from tools.logs.amazon import add_metadata
from tools.logs.atomic import edition_of
from tools.logs.blocks import names_of
from tools.logs.edition import Edition, Preset
from tools.logs.engine import read_log
from tools.logs.form import Form, Where
from tools.logs.sources import check_once, log_files
from tools.logs.tables import join

HEAD = 1 << 14  # bytes in which the first line is looked for


def read_preset(preset: Preset, args, scratch):
    """The log, with the attributes of the data set's items and users where their files are there.

    Raises:
        UserError: where no file has the form of the data set, and as `read_log`.
    """
    edition, files = find_edition(preset, args)
    log = read_log(args.file, preset_form(edition, args), scratch, files)
    if edition.note:
        log.notes.append(edition.note)
    for role, table in (("item", edition.items), ("user", edition.users)):
        if table is not None and (sources := _beside(args.file, table.files)):
            encoding = _encoding(sources[0])
            sources = [one._replace(encoding=encoding) for one in sources]
            join(log, role, sources, table, names_of(sources[0], table.form))
    if getattr(args, "metadata", None) is not None:
        add_metadata(log, args.metadata)
    return log


def find_edition(preset: Preset, args) -> tuple[Edition, list[Source]]:
    """The form that a data set has here, and the files of its log."""
    found = log_files(args.file)
    if args.source == "recbole":
        beside = (
            [Source(one) for one in args.file.parent.glob(f"{args.file.stem}.*")]
            if args.file.suffix == ".inter"
            else []
        )
        return edition_of(beside or found, args.file)
    alone = args.file.is_file() and len(found) == 1  # a log alone may have any name
    for edition in preset.editions:
        named = [one for one in found if alone or _is_named(one, edition.files)]
        files = [one for one in named if re.match(edition.begins, _first_line(one))]
        if files:
            for one in (one for one in named if one not in files):
                logging.warning("%s: begins otherwise than %s, left out", one, files[0])
            check_once(files, lambda one: one.bare)
            return edition, [one._replace(encoding=_encoding(one)) for one in files]
    names = ", ".join(dict.fromkeys(name for edition in preset.editions for name in edition.files))
    raise UserError(f"{args.file}: no log of {args.source} here ({names}); name its columns: tools.preprocess table")


def preset_form(edition: Edition, args) -> Form:
    """The form of the log, with what the options say of the events that count."""
    form = edition.form
    if args.min_rating is not None:
        if not edition.rating:
            raise UserError(f"--min-rating: {args.source} has no ratings; use --where")
        form = form._replace(columns=form.columns | {"rating": edition.rating}, min_rating=args.min_rating)
    where = {one.column: one for one in form.where}
    if hasattr(args, "behavior"):
        where["behavior"] = Where("behavior", tuple(args.behavior or ["pv"]))
    return form._replace(where=tuple((where | {one.column: one for one in args.where}).values()))


def _is_named(source, patterns):
    return any(fnmatch.fnmatch(source.name, one) for one in patterns)


def _first_line(source):
    _, data = next(line_blocks(source, HEAD), (1, b""))
    return data.partition(b"\n")[0].decode("latin-1")


def _encoding(source):
    """UTF-8, or Latin-1 for the older data sets' files."""
    try:
        for _, data in islice(line_blocks(source), 4):
            data.decode("utf-8")
    except UnicodeDecodeError:
        return "iso8859-1"
    return "utf-8"


def _beside(path: Path, patterns) -> list[Source]:
    """The files of a table in the data set's folder or archive, or beside the log."""
    found = log_files(path)
    if path.is_file() and len(found) == 1:
        found = [Source(one) for one in sorted(path.parent.iterdir()) if one.is_file()]
    return [one for one in found if _is_named(one, patterns)]
