"""What the core adds to extrapolation and to persistence, by lead time and regime, from the cases of `configs/hindcast_core.toml`.

    python tests/reference/physics/regimes.py runs/hindcast_core/cases.jsonl [--events PART,...]

A case is in the regime that its rain went through: mean rain at the lead time less than 0.85 of that at the start, more than 1.15, or between; and
heavy where a tenth or more of its wet cells (0.1 mm/h) had 5 mm/h at the start. For each regime and lead time: CSI at 1 mm/h of the core, that of
extrapolation, the difference with its 95 % interval, the share of extrapolation's mean absolute error that the core saves, and the same against
persistence. Of events whose names hold none of the parts nothing is counted. Cases and intervals are those of `tests/reference/nowcast/bars.py`. Needs numpy only."""
import argparse, pathlib, sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "nowcast"))
import bars

CORE, NAIVE = "shallow_water", "persistence"
SCORES = [score for score in bars.FIELDS if score.name.startswith(("csi 1 ", "mae"))]
LESS, MORE, HEAVY = 0.85, 1.15, 0.1


def regimes(terms):
    """Regimes of each (event, start, lead), told by persistence, whose forecast is the rain at the start."""
    found = {}
    for (event, start, lead, component), sums in terms.items():
        if component != NAIVE or not sums.get("moments") or not sums["moments"][1]:
            continue
        _, before, after, *_ = sums["moments"]
        forecast = lambda t: (lambda s: s[0] + s[2])(sums[f"contingency_{t}_mm_h"])
        wet = forecast("0.1")
        change = "decays" if after < LESS * before else "grows" if after > MORE * before else "stays"
        kind = "heavy" if wet and forecast("5") >= HEAVY * wet else "light"
        found[event, start, lead] = ("all", change, kind)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", help="cases.jsonl of hindcasts")
    parser.add_argument("--events", default="", help="parts of names of events, with commas between")
    a = parser.parse_args()
    terms, _ = bars.read(a.cases)
    terms = {key: sums for key, sums in terms.items() if any(part in key[0] for part in a.events.split(","))}
    of = regimes(terms)
    print("| rain | min | cases | core | extrapolation | CSI less, 95 % | error saved, 95 % | persistence | CSI less, 95 % | error saved, 95 % |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for regime in ("all", "decays", "stays", "grows", "light", "heavy"):
        inside = {key: sums for key, sums in terms.items() if regime in of.get(key[:3], ())}
        for lead in sorted({key[2] for key in inside}):
            cells = []
            for other in ("extrapolation", NAIVE):
                shown = []
                for score in SCORES:
                    blocks, ours, others = bars.cases(inside, (CORE, other), lead, score)
                    if not blocks:
                        break
                    one, two, less, (low, high), _ = bars.compare(score, blocks, ours, others)
                    if score.sums == "moments":
                        shown.append(f"{100 * less:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}] %")
                    else:
                        count, core = len(blocks), one
                        shown += [f"{two:.3f}", f"{less:+.3f} [{low:+.3f}, {high:+.3f}]"]
                cells += shown
            if len(cells) == 6:
                print(f"| {regime} | {lead} | {count} | {core:.3f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
