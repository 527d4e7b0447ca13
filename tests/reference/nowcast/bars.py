"""How our nowcasts stand against their pysteps twins, from the cases of a hindcast that has both.

    python bars.py runs/twins/hindcast/cases.jsonl [MORE.jsonl] [--pairs ours=twin,...] [--leads 5,15,30,60]

For each pair, score and lead time: the score of both, ours less the twin's, and its 95 % interval. Scores are formed of sums added
over cases. The interval is a paired bootstrap: starts of one event within 30 min are drawn together, 1000 times. Counted are cases
of which both have the lead time and whose observed field has at least 1000 cells at or above the threshold. `ok` where the whole
interval lies above the bar. Needs numpy only."""
import argparse, dataclasses, datetime, json, math
import numpy as np

OBSERVED_CELLS = 1000                      # least observed cells at or above the threshold
BLOCK_S, RESAMPLES, TAILS, SEED = 1800, 1000, (0.025, 0.975), 42
BAR, BAR_HEAVY = -0.01, -0.02              # least lower bound; at 5 mm/h
LEADS_MIN = (5, 15, 30, 60)
PAIRS = "extrapolation=pysteps_extrapolation,sprog=pysteps_sprog,anvil=pysteps_anvil,steps=pysteps_steps"


@dataclasses.dataclass
class Score:
    """A score of sums `[..., term]`, and how ours is held against the twin's."""
    name: str
    sums: str                              # name of the sums in cases.jsonl
    form: object                           # sums [..., term] -> score [...]
    threshold: str = "0.1"                 # mm/h; of the observed cells that a case must have
    less: object = lambda ours, twin: ours - twin
    least: float = None                    # bar of the interval's lower bound
    better: bool = False                   # or whether ours must be no worse, whatever the interval
    within: tuple = None                   # or bounds of our own score
    against: str = None                    # or, against this one alone, of the difference
    leads_min: tuple = None                # lead times, where not those asked for; () for all


def relative(ours, twin):
    """Share of the twin's error that ours saves."""
    return 1 - ours / twin


def decibels(part, whole):
    return 10 * np.log10(part / whole)


def csi(s):
    """Hits, misses, false alarms, correct negatives."""
    return s[..., 0] / (s[..., 0] + s[..., 1] + s[..., 2])


def fss(s):
    """Sum of square differences of fractions, and of squares."""
    return 1 - s[..., 0] / s[..., 1]


FIELDS = [Score(f"csi {t} mm/h", f"contingency_{t}_mm_h", csi, t, least=BAR_HEAVY if t == "5" else BAR) for t in ("0.1", "1", "5")]
FIELDS += [Score(f"fss {t} mm/h {w} km", f"fractions_{t}_mm_h_{w}_km", fss, t, least=BAR_HEAVY if t == "5" else BAR)
           for t in ("1", "5") for w in ("5", "10", "20")]
FIELDS += [
    Score("mae, 1 - ours/twin", "moments", lambda s: s[..., 6] / s[..., 0], less=relative, least=BAR),
    Score("power < 8 km, dB", "power", lambda s: decibels(s[..., 0], s[..., 1])),
]

# Sums of members: `members_crps` holds cells, cells of two or more members, then plain and fair CRPS without a weight and with each;
# `members_spread` cells, sum of variance (M - 1), sum of (mean - o)^2; `threshold_crps_fair` cells, sum; `member_power` is like `power`.
MEMBERS = [
    Score("fair crps, 1 - ours/twin", "members_crps", lambda s: s[..., 3] / s[..., 1], less=relative, better=True, leads_min=()),
    Score("fair threshold crps, same", "threshold_crps_fair", lambda s: s[..., 1] / s[..., 0], less=relative, leads_min=()),
    Score("spread / error", "members_spread", lambda s: np.sqrt(s[..., 1] / s[..., 2]), within=(0.9, 1.1), leads_min=(30, 60)),
    # The scores are relative to the radar at the valid time; persistence is the radar at the reference time.
    Score("member power < 8 km, dB", "member_power", lambda s: decibels(s[..., 0], s[..., 1]), within=(-1.5, 1.5), against="persistence"),
]


def read(paths):
    """Terms by (event, start in s, lead in min, component) and name of the sums; and what was noticed, by kind and subject."""
    terms, notices = {}, {}
    for path in paths:
        with open(path) as lines:
            next(lines, None)                                          # whose cases follow
            for line in lines:
                if not line.endswith("\n"):
                    continue                                           # being written
                case = json.loads(line)
                start = datetime.datetime.fromisoformat(case["reference_time"].replace("Z", "+00:00")).timestamp()
                for lead in case["leads"]:
                    terms[case["event"], start, lead["lead_s"] // 60, lead["component"]] = lead["terms"]
                for notice in case.get("notices", ()):
                    if notice["kind"] == "limited":                    # to the greatest rain, for both
                        continue
                    notices.setdefault((notice["kind"], notice["subject"]), []).append(f"{case['event']} {case['reference_time']}: {notice['message']}")
    return terms, notices


def cases(terms, pair, lead_min, score):
    """Block of each case, and the sums [case, term] of ours and of the twin."""
    blocks, ours, twins = [], [], []
    for event, start, lead, component in terms:
        key = event, start, lead
        if (lead, component) != (lead_min, pair[0]) or (*key, pair[1]) not in terms:
            continue
        one, other = terms[*key, pair[0]], terms[*key, pair[1]]
        hits, misses = other[f"contingency_{score.threshold}_mm_h"][:2]
        if hits + misses >= OBSERVED_CELLS and one.get(score.sums) and other.get(score.sums):
            blocks.append((event, start // BLOCK_S))
            ours.append(one[score.sums])
            twins.append(other[score.sums])
    return blocks, np.array(ours, float), np.array(twins, float)


def compare(score, blocks, ours, twins):
    """Score of both, the difference, and its interval."""
    known = sorted(set(blocks))
    place = np.array([known.index(block) for block in blocks])
    added = [np.stack([sums[place == k].sum(0) for k in range(len(known))]) for sums in (ours, twins)]
    with np.errstate(divide="ignore", invalid="ignore"):
        both = [score.form(sums.sum(0)) for sums in added]
        if len(known) < 2:                                             # one block, drawn again, is itself
            return *both, score.less(*both), (math.nan, math.nan), len(known)
        drawn = np.random.default_rng(SEED).multinomial(len(known), np.full(len(known), 1 / len(known)), RESAMPLES)
        differences = score.less(*(score.form(drawn @ sums) for sums in added))
    return *both, score.less(*both), np.nanquantile(differences, TAILS), len(known)


def verdict(score, twin, ours, low, less):
    if score.better:
        return "ok" if less >= 0 else "short"
    if score.least is not None:
        return "-" if math.isnan(low) else "ok" if low >= score.least else "short"
    if score.within is not None and score.against in (None, twin):
        judged = ours if score.against is None else less
        return "-" if math.isnan(judged) else "ok" if score.within[0] <= judged <= score.within[1] else "short"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", help="cases.jsonl of hindcasts")
    parser.add_argument("--pairs", default=PAIRS, help=f"ours=twin, with commas between; default {PAIRS}")
    parser.add_argument("--leads", default=",".join(map(str, LEADS_MIN)), help="min, with commas between")
    a = parser.parse_args()
    terms, notices = read(a.cases)
    there = {component for *_, component in terms}
    leads = tuple(int(lead) for lead in a.leads.split(","))
    every = tuple(sorted({lead for _, _, lead, _ in terms}))
    sums = {name for found in terms.values() for name, values in found.items() if values}
    short = 0
    for pair in (tuple(part.split("=")) for part in a.pairs.split(",")):
        if absent := [name for name in pair if name not in there]:
            print(f"\n{pair[0]} against {pair[1]}: no {', '.join(absent)}")
            continue
        print(f"\n{pair[0]} against {pair[1]}")
        print(f"{'':26} {'min':>4} {'ours':>8} {'twin':>8} {'less':>8}  {'95 % interval':18} {'bar':>12} {'cases':>6} {'blocks':>6}")
        for score in FIELDS + MEMBERS:
            for lead_min in leads if score.leads_min is None else score.leads_min or every:
                blocks, ours, twins = cases(terms, pair, lead_min, score)
                if not blocks:
                    continue
                one, other, less, (low, high), count = compare(score, blocks, ours, twins)
                said = verdict(score, pair[1], one, low, less)
                short += said == "short"
                bar = ">= 0" if score.better else f">= {score.least}" if score.least is not None else "{} to {}".format(*score.within) if score.within else ""
                print(f"{score.name:26} {lead_min:4} {one:8.4f} {other:8.4f} {less:+8.4f}  [{low:+.4f}, {high:+.4f}] {bar:>12} {len(blocks):6} {count:6} {said}")
    unread = sorted(s for s in sums - {score.sums for score in FIELDS + MEMBERS} if "mm_h" not in s)
    print(f"\n{short} short; sums that nothing here reads: {', '.join(unread) or 'none'}")
    missing = sorted({score.sums for score in MEMBERS} - sums)
    if missing:
        print(f"sums of members that no case has: {', '.join(missing)}")
    for (kind, subject), messages in notices.items():
        print(f"{kind} {subject}, {len(messages)} times, first {messages[0]}")


if __name__ == "__main__":
    main()
