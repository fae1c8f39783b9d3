"""Phrases for points and stretches of time, as people say them, without the preposition that stands before them.

"In" belongs to a stretch of time that it begins ("in two weeks"), not to a month or a season.
"""

from __future__ import annotations

import random

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December Jan Feb Aug Sept Oct Nov Dec"
).split()
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth twelfth fifteenth twentieth".split()
UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
PARTS = ("morning", "afternoon", "evening", "night")
FEASTS = (
    "Christmas|Christmas Eve|Christmas Day|New Year's Eve|New Year's Day|Thanksgiving|Halloween|Easter|Easter Sunday|"
    "Good Friday|Valentine's Day|Mother's Day|Father's Day|Labor Day|Memorial Day|Independence Day|the 4th of July|"
    "St. Patrick's Day|Boxing Day|Mardi Gras|Hanukkah|Diwali|Ramadan|Eid|Passover|Columbus Day|Presidents' Day|"
    "Veterans Day|Martin Luther King Day|April Fools' Day|Earth Day|May Day|Groundhog Day|Bastille Day|Juneteenth|"
    "Cinco de Mayo|All Saints' Day|Ash Wednesday|Palm Sunday|Pentecost|Flag Day|Patriot Day|Arbor Day|Leap Day"
).split("|")
USUAL = (
    "today|tomorrow|tonight|now|right now|this week|next week|this weekend|next weekend|this morning|this afternoon|"
    "this evening|tomorrow morning|tomorrow night|tomorrow evening|tomorrow afternoon|noon|midnight|later today|later|"
    "lunch|dinner|breakfast|brunch|lunchtime|dinner time|sunrise|sunset|dusk|dawn|midday|mid-day|teatime|supper|"
    "the day after tomorrow|this month|next month|this year|next year|this summer|next summer|this winter|next winter|"
    "this spring|next spring|this fall|next fall|this autumn|the weekend|the end of the week|the end of the month|"
    "the next hour|the next few days|the next three days|the coming week|the rest of the day|the rest of the week|"
    "early tomorrow|late tonight|first thing tomorrow|a few hours from now|any time now|"
    "the same time tomorrow|in a while|in an hour|in half an hour|in a minute|in a few minutes|in a couple of hours|"
    "in a couple of weeks|my birthday|our anniversary|currently|immediately|as soon as possible|"
    "early evening|late afternoon|mid-morning|happy hour|closing time|this time next week|week after next|"
    "the middle of the night|the first of the month|summer|winter|spring|autumn|"
    "a few days from now|a month from today|a week from now|a year from now"
).split("|")


def _ordinal(day: int) -> str:
    return f"{day}{'th' if 10 < day % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def _count(rng: random.Random) -> tuple[str, bool]:
    number = rng.choices((1, rng.randint(2, 12), rng.randint(13, 500)), (1.5, 6, 1.2))[0]
    text = NUMBERS[number - 1] if number <= len(NUMBERS) and rng.random() < 0.55 else str(number)
    return text, number == 1


def _clock(rng: random.Random) -> str:
    hour, minute = rng.randint(1, 12), rng.choice(("00", "15", "30", "45", f"{rng.randint(1, 59):02}"))
    half = rng.choice(("am", "pm", "a.m.", "p.m.", "AM", "PM"))
    forms = (
        f"{hour} {half}",
        f"{hour}{half}",
        f"{hour}:{minute} {half}",
        f"{hour}:{minute}{half}",
        f"{hour} o'clock",
        f"{NUMBERS[hour - 1]} o'clock",
        f"{rng.randint(0, 23):02}:{minute}",
        f"{NUMBERS[hour - 1]} {half.replace('.', '').lower()}",
        f"half past {NUMBERS[hour - 1]}",
        f"quarter to {NUMBERS[hour - 1]}",
        f"{hour} in the {rng.choice(PARTS[:3])}",
    )
    return rng.choices(forms, (7, 4, 6, 2, 2, 1, 2.5, 2, 1.5, 1, 1))[0]


def _date(rng: random.Random) -> str:
    month, day, year = rng.choice(MONTHS), rng.randint(1, 28), rng.randint(2017, 2039)
    forms = (
        f"{month} {day}",
        f"{month} {_ordinal(day)}",
        f"{month} {_ordinal(day)}, {year}",
        f"{month} {day}, {year}",
        f"{month} {_ordinal(day)} {year}",
        f"{_ordinal(day)} of {month}",
        f"the {_ordinal(day)} of {month}",
        f"the {_ordinal(day)}",
        f"{day} {month} {year}",
        f"{MONTHS.index(month) % 12 + 1}/{day}/{year}",
        f"{month} {rng.choice(ORDINALS)}",
        f"{rng.choice(MONTHS[:12])} {year}",
        f"{rng.choice(DAYS)}, {month} {_ordinal(day)}",
        str(year),
    )
    return rng.choices(forms, (6, 6, 4, 4, 2, 2, 2, 1.5, 1.5, 2, 1, 1, 1, 0.5))[0]


def _span(rng: random.Random) -> str:
    text, one = _count(rng)
    unit = rng.choices(UNITS, (1.5, 3, 4, 3.5, 4, 2.5, 2))[0] + ("" if one else "s")
    forms = (f"in {text} {unit}", *(f"{text} {unit} from {start}" for start in ("now", "today", "tomorrow")))
    return rng.choices(forms, (5, 5, 0.5, 0.2))[0]


def _day(rng: random.Random) -> str:
    day, part = rng.choice(DAYS), rng.choice(PARTS)
    forms = (
        day,
        f"next {day}",
        f"this {day}",
        f"{day} {part}",
        f"next {day} {part}",
        f"{day} at {_clock(rng)}",
        f"tomorrow at {_clock(rng)}",
        f"{_clock(rng)} on {day}",
        f"{_clock(rng)} tomorrow",
        f"{_clock(rng)} on {_date(rng)}",
        f"a week from {day}",
        f"the first {day} of {rng.choice(MONTHS[:12])}",
        f"{rng.choice(MONTHS[:12])}",
        f"{day} to {rng.choice(DAYS)}",
        f"this coming {day}",
        f"early {day} {part}",
        f"{_clock(rng)} {rng.choice(('tonight', 'today', 'this evening'))}",
        f"between {NUMBERS[rng.randint(0, 5)]} and {NUMBERS[rng.randint(6, 11)]}",
    )
    return rng.choices(forms, (4, 4, 3, 2, 1, 1.5, 1.5, 1.5, 1.5, 0.7, 1, 0.7, 1.5, 0.5, 0.7, 0.5, 1.5, 0.4))[0]


def invent_times(count: int, rng: random.Random) -> dict[str, float]:
    """``count`` phrases with their weights, the usual ones first and heaviest."""
    phrases = {phrase: (12.0 if i < 12 else 2.5) for i, phrase in enumerate(USUAL)}
    phrases.update((feast, 1.2) for feast in FEASTS)
    makers = (_clock, _date, _span, _day)
    known = {phrase.casefold() for phrase in phrases}
    while len(phrases) < count:
        phrase = rng.choices(makers, (3, 3, 4, 4))[0](rng)
        if phrase.casefold() not in known:
            known.add(phrase.casefold())
            phrases[phrase] = 1.0
    return phrases
