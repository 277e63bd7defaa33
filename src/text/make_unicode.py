#!/usr/bin/env python3
"""Writes unicode_tables.h: what Hugging Face's tokenizers do to single code points.

Their Rust code mixes tables of several Unicode versions (general categories, decompositions, case), so no Unicode library of
one version agrees with it. The tables are therefore read off the library itself, and checked against it pair by pair where
characters influence each other (canonical ordering). Run: python make_unicode.py > unicode_tables.h"""
import sys
import unicodedata

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

OFF = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
clean = BertNormalizer(**{**OFF, "clean_text": True}).normalize_str
cjk = BertNormalizer(**{**OFF, "handle_chinese_chars": True}).normalize_str
strip = BertNormalizer(**{**OFF, "strip_accents": True}).normalize_str
lower = BertNormalizer(**{**OFF, "lowercase": True}).normalize_str
split = BertPreTokenizer().pre_tokenize_str

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)


def ranges(codes):
    rows = []
    for c in sorted(codes):
        if rows and rows[-1][1] == c - 1:
            rows[-1][1] = c
        else:
            rows.append([c, c])
    return rows


def hangul(c):
    s = c - 0xAC00
    parts = [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])
    return "".join(map(chr, parts))


def case_rows(pairs):
    """[first, last, step, difference] over code points in ascending order."""
    rows = []
    for c, d in pairs:
        if rows:
            row = rows[-1]
            step = c - row[1]
            if row[3] == d - c and step in ((1, 2) if row[0] == row[1] else (row[2],)):
                row[1], row[2] = c, step
                continue
        rows.append([c, c, 1, d - c])
    return rows


def table(kind, name, comment, rows):
    cells = ["{" + ", ".join(v if isinstance(v, str) else (f"0x{v:X}" if v >= 0 else str(v)) for v in row) + "}" for row in rows]
    print(f"\n/* {comment} */\nstatic const {kind} {name}[] = {{")
    line = "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 120:
            print(line)
            line = "   "
        line += " " + cell + ","
    print(line + "\n};")


stripped = {c: strip(chr(c)) for c in ALL}
for c in HANGUL:
    assert stripped[c] == hangul(c)
lowered = {c: lower(chr(c)) for c in ALL}
assert [c for c in ALL if len(lowered[c]) != 1] == [0x130] and lowered[0x130] == "i\u0307"
kinds = {c: len(split("a" + chr(c) + "b")) for c in ALL}  # 1 letter, 2 space, 3 punctuation
cleaned = {c: clean(chr(c)) for c in ALL}
assert all(cleaned[c] in ("", " ", chr(c)) for c in ALL)
spaces = [c for c in ALL if kinds[c] == 2]
assert all(kinds[c] == 2 for c in ALL if cleaned[c] == " ")
assert all(cleaned[c] in ("", " ") for c in spaces)

# Canonical ordering: a mark of class a > b > 0 that stands directly before one of class b moves behind it.
HIGH, LOW = "\U0001D16D", "\u1B44"  # classes 226 and 9, both survive
classes = {}
for c in ALL:
    if stripped[c] == chr(c) and c not in HANGUL:
        if c in map(ord, (HIGH, LOW)) or strip(HIGH + chr(c))[0] != HIGH or strip(chr(c) + LOW)[0] == LOW:
            classes[c] = unicodedata.combining(chr(c))
for a in classes:
    for b in classes:
        want = chr(b) + chr(a) if classes[a] > classes[b] > 0 else chr(a) + chr(b)
        assert strip(chr(a) + chr(b)) == want, (hex(a), hex(b))
marks = [c for c in ALL if stripped[c] == ""]
barriers = [c for c in marks if strip(HIGH + chr(c) + LOW)[0] == HIGH]

print(f"""/* unicode_tables.h - made by make_unicode.py from tokenizers {tokenizers.__version__}; do not edit. */
#ifndef FR_TEXT_UNICODE_TABLES_H
#define FR_TEXT_UNICODE_TABLES_H

#include <stdint.h>

/* clang-format off */

typedef struct code_range {{ int32_t first, last; }} code_range;
typedef struct code_pair {{ int32_t from, to; }} code_pair;
typedef struct code_parts {{ int32_t from, to[3]; }} code_parts;
typedef struct case_range {{ int32_t first, last, step, difference; }} case_range;
typedef struct class_range {{ int32_t first, last, order; }} class_range;""")
table("code_range", "control_ranges", "Dropped by clean_text.", ranges(c for c in ALL if cleaned[c] == ""))
table("code_range", "space_ranges", "White space.", ranges(spaces))
table("code_range", "punctuation_ranges", "A word of its own.", ranges(c for c in ALL if kinds[c] == 3))
table("code_range", "cjk_ranges", "Set apart by handle_chinese_chars.", ranges(c for c in ALL if cjk(chr(c)) != chr(c)))
table("code_range", "mark_ranges", "Nothing is left of them when accents are stripped.", ranges(marks))
table("code_range", "barrier_ranges", "Those marks that canonical ordering does not cross (class 0).", ranges(barriers))
table("class_range", "class_ranges", "Combining classes of the marks that survive.",
      [[a, b, str(k)] for k in sorted(set(classes.values())) for a, b in ranges(c for c in classes if classes[c] == k)])
single = [(c, ord(s)) for c, s in stripped.items() if len(s) == 1 and s != chr(c)]
parts = [(c, [ord(x) for x in s]) for c, s in stripped.items() if len(s) > 1 and c not in HANGUL]
table("code_pair", "strip_pairs", "Decomposed, accents stripped: one code point is left. Ascending.", single)
table("code_parts", "strip_parts", "Two or three are left. Ascending.",
      [[c, "{" + ", ".join(f"0x{x:X}" for x in (s + [0, 0])[:3]) + "}"] for c, s in parts])
table("case_range", "lower_ranges", "Lower case: first, last, step, difference (U+0130 gives two code points and is left out).",
      [[f"0x{a:X}", f"0x{b:X}", str(s), str(d)] for a, b, s, d in
       case_rows([(c, ord(s)) for c, s in lowered.items() if len(s) == 1 and s != chr(c)])])
print("\n/* clang-format on */\n\n#endif")
