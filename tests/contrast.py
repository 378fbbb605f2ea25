"""Contrast of two colours as WCAG 2 defines it, apart from the code that chooses colours."""


def contrast(one, other):
    """From 1 to 21, of `#rrggbb` or three numbers from 0 to 255."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)] if isinstance(colour, str) else list(colour)
    scaled = [part / 255 for part in parts]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in scaled]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
