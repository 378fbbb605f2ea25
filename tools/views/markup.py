"""The explorer's answers as HTML: tables and lists that a screen reader reads as such."""

import math
from html import escape

from tools.common.interests import interest_colour, interest_number
from tools.views.explore import Answer, Interest, Item

BEHAVIOURS, ITEMS = 6, 8  # of a card
NAMED = 5  # titles of what was left out


def section(place, label, answer: Answer | None, used, milliseconds, title_of) -> str:
    """What one model makes of a history.

    Args:
        place: of the model on the page, from 0.
        label: of the model.
        answer: None where there is no history.
        used: rows of the interests that retrieve.
        milliseconds: that the answer took.
        title_of: titles of items, by our ids.
    """
    head = f'<section class="model" aria-label="{escape(label)}"><h2>{escape(label)}</h2>'
    if answer is None:
        return f'{head}<p class="facts" role="status">No history: choose a user or add titles.</p></section>'
    several = len(answer.interests) > 1
    cards = "".join(card((place, row), one, row in used, several) for row, one in enumerate(answer.interests))
    of = f"showing {len(answer.items)} of {answer.retrieved} items that the interests find"
    return (
        f'{head}<p class="facts" role="status">{facts(answer, milliseconds)}</p><div class="parts">'
        f'<div><h3>Interests</h3><div class="cards">{cards}</div></div>'
        f"<div><h3>List <small>{of}</small></h3>{categories(answer)}{table(answer.items)}"
        f"{left_out(answer, title_of)}</div></div></section>"
    )


def left_out(answer: Answer, title_of) -> str:
    """What the list does not hold, why, and which of it would have been in it."""
    rows = [f"<li>{one.number:,} {one.why}{titles(one.items, title_of)}</li>" for one in answer.left_out]
    if answer.unread:
        rows.append(f"<li>{answer.unread:,} older items of the history are not read</li>")
    return f"<h4>Left out</h4><ul class='left'>{''.join(rows)}</ul>" if rows else ""


def titles(items, title_of) -> str:
    """Of items that were left out."""
    if not items:
        return ""
    named = "; ".join(escape(title_of[item]) for item in items[:NAMED])
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return f"; {len(items)} of them score high enough for the list: <i>{named}</i>{more}"


def refused(message) -> str:
    """Why a link cannot be shown."""
    told = "".join(f"<li>{escape(one)}</li>" for one in message.splitlines())
    rule = "The link cannot be shown; this is the page without it."
    return f"<div class='refused' role='alert'>{rule}<ul>{told}</ul></div>"


def link(query) -> str:
    """A link that carries the state of the page."""
    return f"<p class='state'><a href='{escape(query)}'>Link to this view</a></p>"


def facts(answer: Answer, milliseconds) -> str:
    """The list in numbers."""
    length, hits = len(answer.items), sum(one.hit for one in answer.items)
    told = [f"lambda <b>{answer.weight:.3g}</b>"]
    told += [] if math.isnan(answer.diversity) else [f"diversity@{length} <b>{answer.diversity:.3f}</b>"]
    told += [f"<b>{hits}</b> of {answer.target_num} chosen later ✓"] if answer.target_num else []
    return " · ".join([*told, f"{milliseconds:.1f} ms on the server"])


def categories(answer: Answer) -> str:
    """How many items each category has."""
    length = max(len(answer.items), 1)
    rows = "".join(
        f"<li><span>{escape(name)}</span> <b>{count}</b>{bar(count / length)}</li>" for name, count in answer.categories
    )
    return f'<ul class="categories" aria-label="Categories of the list">{rows}</ul>'


def table(items: list[Item]) -> str:
    """A list with its ranks."""
    rows = "".join(
        f"<tr><td>{rank}</td><th scope='row'>{escape(one.title)}{' ✓' if one.hit else ''}</th>"
        f"<td>{escape(one.category)}</td><td>{badge(one.interest)}</td><td>{one.score:#.3g}</td>"
        f"<td>{one.plain or '–'}</td></tr>"
        for rank, one in enumerate(items, 1)
    )
    names = ("#", "Title", "Category", "Interest", "Score", "Plain rank")
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    return f"<table class='merged'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def card(place, interest: Interest, used, several) -> str:
    """What feeds an interest, and what it retrieves; where there are several, a box switches it on and off.

    Args:
        place: of the model, and row of the interest, from 0.
        interest: the interest.
        used: whether it is switched on.
        several: whether the model has more than one.
    """
    model, row = place
    state = "" if interest.live and used else "switched off" if interest.live else "the history is too short for it"
    fed, rest = interest.behaviours[:BEHAVIOURS], interest.behaviours[BEHAVIOURS:]
    rows = "".join(f"<li><span>{escape(title)}</span> <b>{share:.0%}</b>{bar(share)}</li>" for title, share in fed)
    if rest:
        rows += f"<li class='rest'><span>{len(rest)} more</span> <b>{sum(share for _, share in rest):.0%}</b></li>"
    found = "".join(
        f"<li><span>{escape(one.title)}{' ✓' if one.hit else ''} <i>{escape(one.category)}</i></span> "
        f"<b>{one.score:#.3g}</b></li>"
        for one in interest.items[:ITEMS]
    )
    name, number = f"Interest {interest_number(row)}", len(interest.items)
    shown = f", showing {ITEMS} of {number}" if number > ITEMS else ""
    switch = "checked" if used and interest.live else "" if interest.live else "disabled"
    data = f"id='switch-{model}-{row}' data-model='{model}' data-interest='{row}' aria-label='{name}'"
    box = f"<input type='checkbox' {data} {switch}>"
    return (
        f"<article class='{'off' if state else ''}' style='--colour:{interest_colour(row)}' aria-label='{name}'>"
        f"<h4><label>{box if several else ''}{badge(row)} {name}</label> <small>{state}</small></h4>"
        f"<h5>Made of</h5><ul>{rows}</ul><h5>Finds{shown}</h5><ol>{found}</ol></article>"
    )


def badge(interest) -> str:
    """The number of an interest in its colour."""
    return f"<span class='badge' style='--colour:{interest_colour(interest)}'>{interest_number(interest)}</span>"


def bar(share) -> str:
    """A bar as long as a share; the number stands beside it."""
    return f"<span class='bar' aria-hidden='true'><span style='width:{100 * share:.1f}%'></span></span>"
