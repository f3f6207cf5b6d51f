"""Where personal data stand in a text: e-mail addresses, telephone numbers, payment cards, bank accounts.

Numbers are told apart from plain numbers by their check digits and by the way people write them. As with credentials,
no expression is searched for, so that the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from otel_llm.credentials import Found

_WRITTEN: Final = bytes(97 if byte in b"0123456789 .-()/?\xa0" else 32 for byte in range(256))
"""Signs of which numbers are written; `?` stands for what Latin-1 does not have, such as typographic hyphens."""
_RUN: Final = b"a" * 8
"""No number that is looked for is shorter, and words are never so far apart."""

_DOMAIN: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,7}\.[^\W\d_]{2,24}(?![\w-])")
_LOCAL: Final = re.compile(r"[\w.%+&'-]+")
_MAX_LOCAL: Final = 64

_GROUPS: Final = re.compile(r"[0-9]+(?:[ .\-()/\u00a0\u2010-\u2013]{1,3}[0-9]+)*")
_GROUP: Final = re.compile(r"[0-9]+")
_ALNUM: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_LETTERS: Final = 16
"""Characters before the digits of an account number in which its country and bank stand."""

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Characters of an account number by country, from the registry of SWIFT."""

_CARD_SHAPES: Final = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)}
)

Group = tuple[int, int]
"""Where some digits begin and end."""


def find_email(text: str, at: int, found: list[Found]) -> None:
    """The address around the @ at this place."""
    domain = _DOMAIN.match(text, at + 1)
    if domain is None:
        return
    before = text[max(0, at - _MAX_LOCAL) : at]
    local = _LOCAL.match(before[::-1])
    if local is None:
        return
    size = len(before[len(before) - local.end() :].lstrip(".'-&%"))
    if size:
        found.append(Found(at - size, domain.end(), "email"))


def find_numbers(text: str, latin: bytes, phone: bool, card: bool, iban: bool, found: list[Found]) -> None:
    """Telephone numbers, cards and accounts; `latin` has one byte a character."""
    written = latin.translate(_WRITTEN)
    run = written.find(_RUN)
    while run >= 0:
        end = written.find(b" ", run)
        if end < 0:
            end = len(written)
        group = _GROUP.search(text, run, end)
        if group is not None and iban:
            _iban(text, max(0, run - _IBAN_LETTERS), group.end() + 2, found)
        while group is not None and (phone or card):
            match = _GROUPS.match(text, group.start(), end)
            stop = group.end() if match is None else match.end()
            if stop - group.start() >= 8:
                groups = [one.span() for one in _GROUP.finditer(text, group.start(), stop)]
                if card:
                    _cards(text, groups, found)
                if phone:
                    _phones(text, groups, found)
            group = _GROUP.search(text, stop, end)
        run = written.find(_RUN, end)


def _cards(text: str, groups: Sequence[Group], found: list[Found]) -> None:
    for first, (start, end) in enumerate(groups):
        size = end - start
        if 13 <= size <= 19:
            if _stands_alone(text, start, end) and _is_card(text[start:end]):
                found.append(Found(start, end, "card"))
        elif size == 4 and text[start] in "23456":
            # The longest shape first: the shape of 19 digits begins with that of 16.
            for count in (5, 4, 3):
                window = groups[first : first + count]
                if len(window) < count or tuple(b - a for a, b in window) not in _CARD_SHAPES:
                    continue
                gaps = {text[a[1] : b[0]] for a, b in pairwise(window)}
                stop = window[-1][1]
                if len(gaps) > 1 or len(gaps.pop()) > 1 or not _stands_alone(text, start, stop):
                    continue
                if _is_card("".join(text[a:b] for a, b in window)):
                    found.append(Found(start, stop, "card"))
                    break


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Neither part of a word nor of a number with a decimal point."""
    before, after = text[start - 1 : start], text[end : end + 2]
    if before in _ALNUM or after[:1] in _ALNUM:
        return False
    if before == "." and text[start - 2 : start - 1].isdigit():
        return False
    return not (after[:1] == "." and after[1:].isdigit())


def _is_card(number: str) -> bool:
    """A number that an issuer may have given, whose check digit is right (ISO/IEC 7812)."""
    size, two, four = len(number), int(number[:2]), int(number[:4])
    issued = (
        (number[0] == "4" and size in {13, 16, 19})
        or (size == 16 and (51 <= two <= 55 or 2221 <= four <= 2720))
        or (size == 15 and two in {34, 37})
        or (size == 14 and (two in {36, 38, 39} or 3000 <= four <= 3059))
        or (16 <= size <= 19 and (four == 6011 or two in {62, 65} or 644 <= int(number[:3]) <= 649))
        or (
            16 <= size <= 19 and (3528 <= four <= 3589 or two == 50 or 56 <= two <= 58 or two in {60, 63, 67})
        )
    )
    return issued and luhn(number)


def luhn(number: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = sum(map(int, number[-1::-2]))
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return total % 10 == 0


def _phones(text: str, groups: Sequence[Group], found: list[Found]) -> None:
    start = groups[0][0]
    sign = start - 1 - (text[start - 1 : start] == "(")
    signed = sign >= 0 and text[sign] == "+" and text[sign - 1 : sign] not in _ALNUM
    dialled = text[start : start + 2] == "00" and 3 <= groups[0][1] - start <= 5 and text[start + 2] != "0"
    stop = None
    if signed:
        stop = _international(text, groups, 15)
    elif dialled and len(groups) > 1 and text[start - 1 : start] not in _ALNUM:
        sign, stop = start, _international(text, groups, 17)
    if stop is not None:
        found.append(Found(sign, stop, "phone"))
        return
    americans = (_american(text, groups, first) for first in range(len(groups) - 2))
    found += [one for one in americans if one is not None]


def _international(text: str, groups: Sequence[Group], most: int) -> int | None:
    """Where a number with a country code ends; None when it is a plain number with a sign."""
    total, stop, used = 0, 0, 0
    american = text[groups[0][0]] == "1"
    for start, end in groups:
        if total + end - start > (11 if american else most):
            break
        total, stop, used = total + end - start, end, used + 1
    if american:
        digits = "".join(text[start:end] for start, end in groups[:used])
        return stop if total == 11 and digits[1] > "1" else None
    if text[groups[0][0]] == "0" and most == 15:
        return None
    decimal = used == 2 and text[groups[0][1]] == "."
    return stop if total >= (10 if used == 1 else 8) and not decimal else None


def _american(text: str, groups: Sequence[Group], first: int) -> Found | None:
    """(NPA) NXX-XXXX and its kin, from the group `first` on. Blanks alone do not make a telephone number."""
    (start, a), (b, c), (d, end) = groups[first : first + 3]
    if (a - start, c - b, end - d) != (3, 3, 4) or text[start] < "2" or text[b] < "2":
        return None
    one, two = text[a:b], text[c:d]
    bracket = text[start - 1 : start] == "("
    if bracket:
        if one not in {") ", ")", ")-", ") -"}:
            return None
        start -= 1
    elif one not in {"-", ".", " "}:
        return None
    if two not in {"-", ".", " "} or (one == two == " "):
        return None
    if text[end : end + 1] in _ALNUM or (text[end : end + 1] == "-" and text[end + 1 : end + 2] in _ALNUM):
        return None
    before = text[start - 1 : start]
    if before in _ALNUM:
        return None
    if before in {"-", ".", " "} and first and text[groups[first - 1][0] : groups[first - 1][1]] == "1":
        start = groups[first - 1][0]
    elif before in {"-", ".", "/"}:
        return None
    return Found(start, end, "phone")


def _iban(text: str, start: int, end: int, found: list[Found]) -> None:
    """The account numbers whose country codes stand between these places."""
    for match in _IBAN_START.finditer(text, start, end):
        stop = _iban_end(text, match.start())
        if stop is not None:
            found.append(Found(match.start(), stop, "iban"))


def _iban_end(text: str, start: int) -> int | None:
    """Where the account number that begins here ends; None when its check digits are wrong."""
    length = IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    signs: list[str] = []
    at = start
    for sign in text[start : start + 2 * length]:
        if sign in _ALNUM:
            signs.append(sign)
        elif sign not in " -\u00a0" or text[at - 1] not in _ALNUM:
            break
        at += 1
        if len(signs) == length:
            break
    if len(signs) < length or text[at : at + 1] in _ALNUM:
        return None
    number = "".join(signs).upper()
    checked = int("".join([str(int(sign, 36)) for sign in number[4:] + number[:4]])) % 97 == 1
    return at if checked else None
