#!/usr/bin/env python3
"""Makes tokens/: hard texts, small vocabularies, and what Hugging Face's tokenizers make of them.

  texts.txt    one text a line; line feed, carriage return, NUL and backslash as \\n \\r \\0 \\\\, all other bytes as they are (some are not UTF-8)
  uncased/, cased/   vocab.txt with tokenizer_config.json
  odd/               tokenizer.json with rare settings: no cleaning, added tokens that strip blanks or are normalized, a short longest word
  NAME.ids     a line for every text: FNV-1a (32 bits) over the ids as little-endian int32, 8 hexadecimal digits. minilm is
               sentence-transformers/all-MiniLM-L6-v2.

python make_tokens.py [ENCODER_FOLDER]; python make_tokens.py --show NAME LINE prints a text and its ids."""
import json
import os
import random
import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertTokenizerFast

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokens")
rng = random.Random(20240601)
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SENTENCES = """What is the capital of France?|Translate 'Häuser' into English; don't guess.|x_i = \\sum_{k=1}^{n} a_k^2 / (b+c)
def f(x):\n    return x ** 2  # a comment\n\tprint("ok")|https://example.org/a/b?q=1&r=%20#frag|mailto:someone@example.com|C:\\Users\\me\\file.txt
The quick brown fox jumps over the lazy dog.|THE QUICK BROWN FOX|tHe QuIcK|naïve café résumé coöperate façade|İstanbul'da ışık ILIK ılık|Straße STRASSE ẞ ß
ΟΔΥΣΣΕΥΣ Ὀδυσσεύς ὀδυσσεὺς ΣΊΣΥΦΟΣ ς σ|Съешь же ещё этих мягких французских булок|Ёлка ёж Їжак й Й|人工智能与机器学习|[SEP] vu vu|mot [MASK] mot mot[MASK]|[SEP] の [SEP] x の| の東 のの Cafe  x Café|東京は日本の首都です。カタカナ ｶﾀｶﾅ がぎぐ ガギグ
한국어 형태소 분석|각 갂 힣 ㄱㄴㄷ|שָׁלוֹם עולם|السَّلامُ عَلَيْكُم|نستعلیق می‌خواهم|हिन्दी में क्षत्रिय ज़िन्दगी|বাংলা ভাষা কো|தமிழ் மொழி கொ|తెలుగు ಕನ್ನಡ മലയാളം ශ්‍රී
ภาษาไทย น้ำ|ພາສາລາວ|မြန်မာဘာသာ|ភាសាខ្មែរ|བོད་སྐད་|ქართული ᲥᲐᲠᲗᲣᲚᲘ|Հայերեն ՀԱՅԵՐԵՆ և|አማርኛ|ᏣᎳᎩ ꮳꮃꭹ|Tiếng Việt ở đây|Ĳssel ĳ ǅ ǆ ŉ ﬁ ﬃ ſ K Å Ω
👩‍👩‍👧‍👦 family|👍🏽 ok 🏳️‍🌈 🇩🇪 1️⃣|™ © ® ½ ¼ ² ³ ª º µ|€100 £5 ¥7 ₹3|“quotes” ‘single’ «guillemets» — – ‐ … ‥ ‼ ⁇|１２３ ＡＢＣ ａｂｃ ，。！？|𝐁𝐨𝐥𝐝 𝓈𝒸𝓇𝒾𝓅𝓉 𝔽 ℂ ℵ|𐐀𐐁 𐐨𐐩|𞤀𞤁𞤢|𠀀𠀁𪛖𫝀𫠝 㐀㐁 豈更 丽
[MASK]|[SEP]|[CLS] [SEP]|a[MASK]b|[[MASK]]|[mask] [Mask]|[UNK][UNK]|[PAD]x[PAD]|[MASK|MASK]|[ MASK ]|##ing|##|# # play##ing|the [MASK]ed word  [MASK] .|[unused1]
$x^2 + y^2 = z^2$|3.14159 1,000,000 1e-9 0xFF 12:30:45 2024-06-01|C++ C# F# .NET a.b.c ...|!!! ??? --- ___ *** (((|a\u200bb a\u200db a\u00adb a\ufeffb|a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u000bh\u000ci|\ttab\tand\r\nnewline\r
\u0301leading mark|a\u0301\u0323b a\u0323\u0301b|a\U0001D16D\u034F\u1B44 a\U0001D16D\u1B44 e\U0001E000\u0CBF\u302E e\U0001E000\u302E|\u1100\u1161\u11a8|q\u0307\u0323 \u0344 \u0f73|\u212b \u2126 \u212a \u1e9b\u0323|e\u0301\u0302\u0303\u0304\u0305|\u0130 \u0131 \u01c5 \u1f88 \u1fbc|\u037e \u0387 \u1fef \u2000 \u2001""".replace("\n", "|").split("|")


def pick(lo, hi):
    while True:
        c = rng.randint(lo, hi)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def by_script():
    """Letters, marks and signs by the first word of their names: about 160 scripts and kinds."""
    scripts = {}
    for c in range(0x80, 0x20000):
        name = unicodedata.name(chr(c), "")
        if name and not name.startswith(("CJK UNIFIED", "HANGUL SYLLABLE")):
            scripts.setdefault(name.split()[0], []).append(chr(c))
    return {k: v for k, v in scripts.items() if len(v) >= 12}


def class_edges():
    """First and last code points of every run that is treated alike: dropped, blank, punctuation, accent, set apart, letter."""
    normal = normalizers.BertNormalizer(lowercase=False, strip_accents=True).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    before, edges = None, set()
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000:
            n = normal(chr(c))
            kind = (bool(n), len(split("a" + n + "b")) if n.strip() else 0)
            if before and kind != before[0]:
                edges |= {before[1], chr(c)}
            before = (kind, chr(c))
    return edges


def make_texts():
    texts = [s.encode() for s in SENTENCES if s]
    add = lambda s: texts.append(s if isinstance(s, bytes) else s.encode())
    for s in ("", " ", "   \t\n ", "\u00a0\u2003", "\0", "\0\0a\0", "\ufffd", "\u200b", "\\", "\\n", "a", ".", "é", "中"):
        add(s)
    for n in (1, 49, 50, 98, 99, 100, 101, 102, 150, 400, 3000):  # around max_input_chars_per_word
        for unit in ("a", "é", "e\u0301", "中", "я", "한", "\u1100", "👍", "ab-", "0", "\u0301", "\u1b44", "x\u200b"):
            if n <= 150 or unit in ("a", "ab-"):
                add((unit * n)[: max(n, 1)] if len(unit) == 1 else unit * n)
    for n in (33, 34, 50):
        add("각" * n)
    words = " ".join(SENTENCES).split()
    for _ in range(130):  # mixtures of real words, odd separators
        add("".join(rng.choice(words) + rng.choice([" ", " ", "  ", "", "-", "\n", "\u3000", "[SEP]", "'"]) for _ in range(rng.randint(1, 9))))
    edges = sorted(class_edges())
    for i in range(0, len(edges), 12):
        add("a".join(edges[i : i + 12]))
    for name, letters in sorted(by_script().items()):
        for _ in range(3):
            add("".join(rng.choice(letters) if rng.random() < 0.85 else rng.choice(" aZ.\u0301") for _ in range(rng.randint(3, 9))))
    for _ in range(330):  # code points of the whole range, unassigned and private ones too
        hi = rng.choice([0x17F, 0x52F, 0x1FFF, 0x2BFF, 0xFFFF, 0xFFFF, 0x1FFFF, 0x10FFFF])
        add("".join(pick(0, hi) if rng.random() < 0.6 else rng.choice("abXY 1,") for _ in range(rng.randint(1, 9))))
    marks = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.combining(chr(c))]
    late = [chr(c) for a, b in ((0x8D4, 0x8E1), (0x1B44, 0x1B44), (0x302E, 0x302F), (0x1D165, 0x1D172), (0x1E000, 0x1E02A), (0x1E944, 0x1E94A), (0x11446, 0x11446)) for c in range(a, b + 1)]
    for _ in range(330):  # canonical ordering
        pool = rng.choice([marks, late, list("\U0001D16D\u1B44\u302E\U0001E000\u0301\u034F\u0CBF"), [chr(c) for c in range(0x300, 0x370)]])
        add("".join(rng.choice("aeoÅẤ中가") + "".join(rng.choice(pool) for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(1, 3))))
    for _ in range(160):  # Hangul, CJK, kana
        add("".join(pick(*rng.choice([(0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x4E00, 0x4E60), (0x3040, 0x30FF), (0xF900, 0xFAFF), (0x20, 0x7E)])) for _ in range(rng.randint(1, 8))))
    for _ in range(160):  # any ASCII
        add("".join(chr(rng.randint(0, 127)) for _ in range(rng.randint(1, 25))))
    bad = [b"\x80", b"\xbf\xbf", b"\xc0\xaf", b"\xc1", b"\xe0\x80\xaf", b"\xe4\xb8", b"\xe4\xb8a", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80", b"\xff\xfe",
           b"\xe2\x28\xa1", b"\xf8\x88\x80\x80\x80", b"a\xc3", b"\xc3\xc3\xa9"]
    texts.extend(bad)
    for _ in range(200):  # bytes changed in good text
        s = bytearray(rng.choice(SENTENCES[:60] + ["a中b", "éa👍", "각x"]).encode()[:24])
        for _ in range(rng.randint(1, 3)):
            s[rng.randrange(len(s))] = rng.randint(0, 255)
        texts.append(bytes(s))
    for _ in range(100):
        texts.append(rng.choice(bad) + rng.choice(words).encode() + rng.choice(bad))
    return list(dict.fromkeys(texts))


def vocabulary(texts, lowercase):
    """Characters of the normalized texts (rare ones left out at random, so that [UNK] occurs), a few words and endings."""
    normal = normalizers.BertNormalizer(lowercase=lowercase)
    seen = {}
    for text in texts:
        for c in normal.normalize_str(text):
            seen[c] = seen.get(c, 0) + 1
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    pieces = dict.fromkeys(SPECIALS)
    for c in sorted(c for c in seen if not c.isspace() and c not in "\n\r\0" and (rng.random() < 0.97 or unicodedata.combining(c))):
        pieces[c] = None
        if len(split("a" + c)) == 1 and (rng.random() < 0.9 or unicodedata.combining(c)):
            pieces["##" + c] = None
    words = sorted({w for s in SENTENCES for w, _ in split(normal.normalize_str(s)) if 2 <= len(w) < 12})
    for w in words:
        pieces[w[: rng.randint(2, len(w))]] = None
        pieces["##" + w[rng.randint(1, len(w) - 1):]] = None
    return list(pieces)


def write(path, text):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def make_odd():
    words = ["the", "word", "##s", "##ing", "play", "caf", "##é", "cafe"]
    letters = [chr(c) for c in range(0x21, 0x250)] + list("中国カ\u0301\u200b\x07\x1f\ufffd\U0001D16D\u1B44\u302E\U0001E000")
    pieces = dict.fromkeys(["<pad>", "<unk>", "<s>", "</s>"] + [s for c in letters for s in (c, "##" + c)] + words)
    t = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="<unk>", max_input_chars_per_word=10))
    t.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens([AddedToken(p, normalized=False, special=True) for p in ("<pad>", "<unk>", "<s>", "</s>")])
    t.add_tokens([AddedToken("[MASK]", lstrip=True, normalized=False), AddedToken("[SEP]", lstrip=True, rstrip=True, normalized=False),
                  AddedToken("[MASK]ed", normalized=False), AddedToken("quick", normalized=True), AddedToken("Café", rstrip=True, normalized=True),
                  AddedToken("ΣΕ", lstrip=True, normalized=True), AddedToken("中", normalized=True), AddedToken(" の", normalized=False), AddedToken("mot ", normalized=True), AddedToken(" vu", normalized=True)])
    t.post_processor = processors.BertProcessing(("</s>", 3), ("<s>", 2))
    t.save(os.path.join(HERE, "odd", "tokenizer.json"), pretty=False)


def fnv(ids):
    h = 0x811C9DC5
    for i in ids:
        for b in i.to_bytes(4, "little"):
            h = (h ^ b) * 0x01000193 & 0xFFFFFFFF
    return h


ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", b"\\0"))


def escape(text):
    for raw, written in ESCAPES:
        text = text.replace(raw, written)
    return text


def reference(name, encoder):
    folder = encoder if name == "minilm" else os.path.join(HERE, name)
    if name in ("uncased", "cased"):
        t = BertTokenizerFast.from_pretrained(folder).backend_tokenizer
    else:
        t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    t.no_padding()
    t.no_truncation()
    return t


NAMES = ("uncased", "cased", "odd", "minilm")


def main():
    encoder = os.path.expanduser("~/.cache/finerouter/all-MiniLM-L6-v2")
    show = sys.argv[2:] if sys.argv[1:2] == ["--show"] else None
    if len(sys.argv) == 2:
        encoder = sys.argv[1]
    raw = make_texts()
    texts = [t.decode("utf-8", "replace") for t in raw]
    if show:
        e = reference(show[0], encoder).encode(texts[int(show[1]) - 1])
        print(raw[int(show[1]) - 1], e.ids, e.tokens, sep="\n")
        return
    write("texts.txt", b"".join(escape(t) + b"\n" for t in raw))
    for name, lower in (("uncased", True), ("cased", False)):
        write(f"{name}/vocab.txt", "".join(p + "\n" for p in vocabulary(texts, lower)))
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "strip_accents": None, "tokenize_chinese_chars": True}
        write(f"{name}/tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    write("odd/tokenizer.json", "")
    make_odd()
    for name in NAMES:
        t = reference(name, encoder)
        write(f"{name}.ids", "".join(f"{fnv(e.ids):08x}\n" for e in t.encode_batch(texts)))
    print(len(texts), "texts")


main()
