#!/usr/bin/env python3
"""The routers' table of a run as Markdown, from its metrics.json:  scripts/markdown-table.py runs/NAME [--tasks N]
--tasks N adds the N largest tasks out of cards.json."""
import argparse
import json
import os

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run")
parser.add_argument("--tasks", type=int, default=0)
arguments = parser.parse_args()


def load(name):
    with open(os.path.join(arguments.run, name), encoding="utf-8") as file:
        return json.load(file)


def number(value, digits=4, scale=1.0):
    return "-" if value is None else f"{value * scale:.{digits}f}"


metrics = load("metrics.json")
print("| router | quality | std | by source | USD / 1k | regret | gap closed | full - router [95% CI], p | s |")
print("|---|---|---|---|---|---|---|---|---|")
for name, r in metrics["routers"].items():
    versus = r.get("vs_full") or {}
    interval = "-"
    if versus.get("difference") is not None and name != "full":
        interval = f"{versus['difference']:+.4f} [{versus['low']:+.4f}, {versus['high']:+.4f}], {versus['p']:.2g}"
    label = f"**{name}**" if name == "full" else name
    print(f"| {label} | {number(r['quality'])} | {number(r.get('quality_std'))} | {number(r['quality_by_source'])} | {number(r['cost'], 3, 1000)} | "
          f"{number(r['regret'])} | {number(r['gap_closed'], 1, 100)}% | {interval} | {number(r.get('seconds'), 1)} |")
stages = {name: seconds for name, seconds in metrics["seconds"].items() if seconds >= 0.05}
print("\nSeconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.items()))
if arguments.tasks:
    print("\n| task | training prompts | best models of its ranking | sources |\n|---|---|---|---|")
    for card in load("cards.json")["tasks"][: arguments.tasks]:
        mix = sorted(card["mix"].items(), key=lambda item: -item[1])
        total = sum(count for _, count in mix)
        sources = ", ".join(f"{source} {100 * count / total:.0f}%" for source, count in mix[:3])
        print(f"| {card['name'].replace('|', '/')} | {card['size']} | {', '.join(card['ranking'][:3])} | {sources} |")
