"""Makes scores.json: what the project's Python score library says of small fields, for the test `verify::reference`.

    python make.py PATH/TO/FOLDER_OF_SCORELIB

The fields are closed formulas (see `rain`), so that no random number and no array need be stored. Rain is f32, mm/h, [y, x]."""
import datetime, json, os, sys
import numpy as np, scipy

sys.path.insert(0, sys.argv[1])
import scorelib

NY, NX, KM = 90, 101, 1.7

def hashed(k):
    """A number in [0, 1) for each integer k below 2^31: exact in integers, so the same everywhere."""
    k = (np.asarray(k, np.uint64) * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(2**32)
    k = (k ^ (k >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    return (k ^ (k >> np.uint64(13))).astype(np.float64) / 2**32

def rain(salt):
    """Rain in steps of 1/64 mm/h, exact in f32: blocks of 9 cells with intensities over 0 to 30 mm/h, and noise on single cells."""
    y, x = np.mgrid[0:NY, 0:NX]
    block = hashed((y // 9) * 64 + (x + salt) // 9)
    cell = hashed(100000 + 1000 * salt + y * NX + x)
    wet = np.maximum(block - 0.4, 0.0) / 0.6
    return (np.floor(64 * 30 * wet * wet * wet * (0.5 + cell)) / 64).astype(np.float32)

observed, forecast = rain(0), rain(2)
k = np.arange(NY * NX).reshape(NY, NX)
forecast[hashed(700000 + k) < 0.05] = np.nan                      # the forecast has gaps
frames = np.stack([observed] * 12)
frames[:, 30:40, 60:70] = np.nan                                   # never observed
frames[0:1, 5, 5] = np.nan                                         # once missing: 11 of 12 is more than 0.9
frames[0:2, 50, 20] = np.nan                                       # twice missing: 10 of 12 is less
mask = scorelib.event_mask(frames, margin=6)
truth = frames[5].copy()
truth[hashed(800000 + k) < 0.03] = np.nan                          # and the observation, too
levels = np.array(scorelib.LEVELS)
probability = np.stack([np.clip(1.25 * hashed(900000 + k) - j / 10, 0, 1) for j in range(len(levels))]).astype(np.float32)
probability = (np.floor(probability * 256) / 256).astype(np.float32)  # exact in f32
members = np.stack([rain(2 + m) for m in range(20)])
members[1][hashed(600000 + k) < 0.05] = np.nan                     # a member has gaps
# Between the steps of the rain, so that no member equals it and no rank is drawn; exact in f32.
apart = np.stack([rain(30 + m) + np.float32((m + 1) / 1024) for m in range(7)])

def above(t, ensemble):
    """CRPS of the rain above t: that of max(x, t) and max(o, t)."""
    said = scorelib.score_ens(np.maximum(np.nan_to_num(ensemble, nan=0.0), np.float32(t)), np.maximum(truth, np.float32(t)), mask, KM)
    return [(m + "_weighted", t, "", v) for m, _, _, v in said if m in ("CRPS", "CRPS_fair")]

rows = [("forecast", *r) for r in scorelib.score_det(forecast, truth, mask, KM)] \
    + [("dry", *r) for r in scorelib.score_det(np.zeros_like(forecast), truth, mask, KM)] \
    + [("probability", *r) for r in scorelib.score_prob(probability, truth, mask, KM)] \
    + [("members", *r) for r in scorelib.score_ens(members, truth, mask, KM) + above(1.0, members) + above(5.0, members)] \
    + [("apart", *r) for r in scorelib.score_ens(apart, truth, mask, KM) + above(1.0, apart) + above(5.0, apart)]
out = dict(made_by="tests/reference/verify/make.py", numpy=np.__version__, scipy=scipy.__version__,
           date=datetime.date.today().isoformat(), cells=int((mask & np.isfinite(truth)).sum()), mask_cells=int(mask.sum()),
           forecast_sum=float(np.nansum(forecast.astype(float))),
           rows=[[w, m, None if t == "" else t, None if s == "" else s, None if np.isnan(v) else v] for w, m, t, s, v in rows])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "scores.json"), "w") as f:
    f.write(json.dumps(out).replace('], [', '],\n[').replace('"rows": [', '"rows": [\n') + "\n")
