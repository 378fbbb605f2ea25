"""The explorer's answers as HTML: tables and lists that a screen reader reads as such."""

import math
from html import escape

from tools.common.interests import interest_colour, interest_number
from tools.views.explore import Answer, Interest, Item

BEHAVIOURS, ITEMS = 6, 8  # of a card


def section(label, answer: Answer | None, used, milliseconds) -> str:
    """What one model makes of a history.

    Args:
        label: of the model.
        answer: None where there is no history.
        used: K'.
        milliseconds: that the answer took.
    """
    head = f'<section class="model" aria-label="{escape(label)}"><h2>{escape(label)}</h2>'
    if answer is None:
        return f'{head}<p class="facts" role="status">No history: choose a user or add titles.</p></section>'
    cards = "".join(card(row, one, row < used) for row, one in enumerate(answer.interests))
    return (
        f'{head}<p class="facts" role="status">{facts(answer, milliseconds)}</p><div class="parts">'
        f"<div><h3>Merged list</h3>{categories(answer)}{table(answer.items)}</div>"
        f'<div><h3>Interests</h3><div class="cards">{cards}</div></div></div></section>'
    )


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


def card(row, interest: Interest, used) -> str:
    """What feeds an interest, and what it retrieves."""
    state = "" if interest.live and used else "not used" if interest.live else "the history is too short for it"
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
    shown = f", first {ITEMS} of {number}" if number > ITEMS else ""
    return (
        f"<article class='{'off' if state else ''}' style='--colour:{interest_colour(row)}' aria-label='{name}'>"
        f"<h4>{badge(row)} {name} <small>{state}</small></h4>"
        f"<h5>Fed by</h5><ul>{rows}</ul><h5>Retrieves{shown}</h5><ol>{found}</ol></article>"
    )


def badge(interest) -> str:
    """The number of an interest in its colour."""
    return f"<span class='badge' style='--colour:{interest_colour(interest)}'>{interest_number(interest)}</span>"


def bar(share) -> str:
    """A bar as long as a share; the number stands beside it."""
    return f"<span class='bar' aria-hidden='true'><span style='width:{100 * share:.1f}%'></span></span>"
