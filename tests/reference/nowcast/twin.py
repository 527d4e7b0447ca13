"""Twins of our nowcasts: pysteps forecasts of the same frames from the same starts, written so that `kind = "file"` reads them.

    python twin.py crops                                            512 x 512 cells around the rain of each event
    python twin.py forecasts --methods extrapolation,sprog,anvil    goes on where it was stopped
    python twin.py forecasts --methods steps

Both take --work FOLDER (default runs/twins of this repository), --data FOLDER (default ../shared/data/radar beside it) and
--events A,B. Events are those of `train` and `validation`; --test adds those of `test`, and each such use must be logged.

    WORK/crops/EVENT.nc                          rainfall_rate(time, y, x), packed as in the source, so that no value changes
    WORK/forecasts/METHOD/EVENT_YYYYmmddHHMM.nc  rainfall_rate([realization,] time, y, x), float32, mm/h, at the scored lead times

Rain is mm/h, [time, y, x], row 0 south, NaN not observed. A forecast sees the frames up to its start and no later one."""
import os
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"
import argparse, contextlib, datetime, io, pathlib, sys, time, warnings
import netCDF4
import numpy as np
from scipy.ndimage import uniform_filter

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
METHODS = ("extrapolation", "sprog", "anvil", "steps")
LEADS_MIN = (5, 10, 15, 20, 30, 45, 60)    # each event at those that its own step gives within a minute, as `nowblend hindcast` scores
SIZE = 512                                 # cells along each side of a crop
RAIN_MAX = 200.0                           # mm/h; default of `ingest.rain_max_mm_h`, so that both see the same frames
FRAMES = 4                                 # frames that a start needs, itself included; default of `ingest.frames`
MEMBERS, SEED = 20, 42
SAME_HOUR = "opera_nimbus_20241126"        # the hour of opera_cirrus_20241126, with five frames


def sources(data, test=False, only=()):
    """Paths of the events by name."""
    if test:
        print("test events are used: log it (date, command, commit), and choose nothing by what comes out", file=sys.stderr)
    folders = ("train", "validation") + (("test",) if test else ())
    paths = {p.stem: p for folder in folders for p in sorted(pathlib.Path(data, folder).glob("*.nc"))}
    paths.pop(SAME_HOUR, None)
    unknown = set(only) - set(paths)
    if unknown:
        raise SystemExit(f"no event {', '.join(sorted(unknown))}; known are {', '.join(paths)}")
    return {name: path for name, path in paths.items() if not only or name in only}


def window(rain, size=SIZE):
    """Rows and columns of `size` cells around the rainiest part: mean rain up to 20 mm/h, and a little for being observed."""
    count, (ny, nx) = len(rain), rain.shape[1:]
    if max(ny, nx) <= size:
        return slice(0, ny), slice(0, nx)
    amount, observed = np.zeros((ny, nx), np.float32), np.zeros((ny, nx))
    for frame in rain:
        frame = np.ma.filled(frame.astype(np.float32), np.nan)
        amount += np.nan_to_num(np.minimum(frame, 20))
        observed += np.isfinite(frame)
    worth = uniform_filter(amount / np.float32(count) + 0.05 * (observed / count), size, mode="constant")
    y, x = np.unravel_index(np.argmax(worth), worth.shape)
    y, x = (int(np.clip(at - size // 2, 0, max(n - size, 0))) for at, n in ((y, ny), (x, nx)))
    return slice(y, y + size), slice(x, x + size)


def crop(source, path):
    """Writes the part of `source` around its rain, number for number."""
    with netCDF4.Dataset(source) as d:
        rows, columns = window(d["rainfall_rate"])
        with written(path) as out:
            out.setncatts({**attributes(d), "title": f"{d.title}, rows {rows.start} and columns {columns.start} onwards"})
            copy_grid(d, out, rows, columns)
            copy(d["time"], out, "time", slice(None))
            rain = d["rainfall_rate"]
            rain.set_auto_maskandscale(False)
            copy(rain, out, "rainfall_rate", (slice(None), rows, columns))
    print(f"{path.stem}: y0={rows.start} x0={columns.start}", flush=True)


def attributes(thing):
    return {name: thing.getncattr(name) for name in thing.ncattrs()}


def copy(variable, out, name, part):
    """Copies a part of a variable with its attributes."""
    values = variable[part]
    for dimension, length in zip(variable.dimensions, values.shape):
        if dimension not in out.dimensions:
            out.createDimension(dimension, length)
    keys = attributes(variable)
    storage = dict(zlib=True, complevel=4, chunksizes=(1, *values.shape[1:])) if values.ndim == 3 else {}
    made = out.createVariable(name, variable.dtype, variable.dimensions, fill_value=keys.pop("_FillValue", None), **storage)
    made.setncatts(keys)
    made.set_auto_maskandscale(False)
    made[:] = values


def copy_grid(d, out, rows=slice(None), columns=slice(None)):
    copy(d["y"], out, "y", rows)
    copy(d["x"], out, "x", columns)
    out.createVariable("crs", "i4").setncatts(attributes(d["crs"]))


@contextlib.contextmanager
def written(path):
    """A new NetCDF file that has its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    with netCDF4.Dataset(aside, "w") as out:
        yield out
    aside.replace(path)


class Event:
    """The frames of a crop as the program sees them."""

    def __init__(self, path):
        self.name, self.path = path.stem, path
        with netCDF4.Dataset(path) as d:
            rain = np.ma.filled(d["rainfall_rate"][:].astype(np.float32), np.nan)
            self.rain = np.minimum(rain, np.float32(RAIN_MAX))
            self.times = np.asarray(d["time"][:], np.int64)          # s since 1970
            self.cell_km = float(abs(d["x"][1] - d["x"][0])) / 1000
        self.step_min = int(round((self.times[1] - self.times[0]) / 60))

    def starts(self, every_min=None):
        """Frames from which forecasts start: four with an hour to come, or one every so many minutes; or six with a quarter of an hour in an
        event too short for that."""
        room = lambda minutes: [i for i in range(FRAMES - 1, len(self.times)) if self.times[i] + 60 * minutes <= self.times[-1]]
        possible, count = (room(60), 4) if len(room(60)) >= 4 else (room(15), 6)
        if every_min and count == 4:
            return [i for i in possible if (self.times[i] - self.times[possible[0]]) % (60 * every_min) == 0]
        return sorted({possible[int(round(k))] for k in np.linspace(0, len(possible) - 1, count)}) if possible else []

    def leads(self, start):
        """Numbers of steps, from 1, at which a forecast from frame `start` is scored."""
        steps = (int(round(lead / self.step_min)) for lead in LEADS_MIN)
        fits = [k for k, lead in zip(steps, LEADS_MIN) if k >= 1 and abs(k * self.step_min - lead) <= 1]
        return [k for k in dict.fromkeys(fits) if start + k < len(self.times)]

    def when(self, start):
        return datetime.datetime.fromtimestamp(int(self.times[start]), datetime.timezone.utc)


def forecast_path(work, method, event, start):
    return pathlib.Path(work, "forecasts", method, f"{event.name}_{event.when(start):%Y%m%d%H%M}.nc")


def decibel(rain, threshold=0.1, dry=-15.0):
    """10 log10 of rain, dB of mm/h; what is below the threshold, or missing, is `dry`."""
    rain = np.nan_to_num(np.asarray(rain, np.float64), nan=0.0)
    return np.where(rain >= threshold, 10 * np.log10(np.maximum(rain, threshold)), dry)


def rate(decibels, threshold=-10.0):
    """The inverse: below the threshold there is no rain."""
    return np.where(decibels >= threshold, 10 ** (decibels / 10), 0.0)


def motion(event, start):
    """pysteps' Lucas-Kanade of the last three frames, cells a step."""
    from pysteps import motion
    return motion.get_method("LK")(decibel(event.rain[start - 2:start + 1]))


def nowcast(method, event, start, velocity, steps):
    """Rain [step, y, x], or [member, step, y, x] of `steps`, mm/h, with the settings of pysteps' gallery."""
    from pysteps import nowcasts
    make, newest = nowcasts.get_method(method), event.rain[start - 2:start + 1]
    if method == "extrapolation":
        return make(event.rain[start].astype(float), velocity, steps)
    if method == "sprog":
        return rate(make(decibel(newest), velocity, steps, n_cascade_levels=6, precip_thr=-10.0))
    if method == "anvil":
        rain = np.nan_to_num(event.rain[start - 3:start + 1], nan=0.0).astype(float)
        return make(rain, velocity, steps, ar_window_radius=25, ar_order=2)
    if method == "steps":
        return rate(make(decibel(newest), velocity, steps, n_ens_members=MEMBERS, n_cascade_levels=6, precip_thr=-10.0, kmperpixel=event.cell_km,
                         timestep=event.step_min, noise_method="nonparametric", vel_pert_method="bps", mask_method="incremental", seed=SEED))
    raise SystemExit(f"no method `{method}`; known are {', '.join(METHODS)}")


def write(path, method, event, start, rain, leads, cpu_s):
    """Rain [(member,) lead, y, x] with its times; NaN where the forecaster says nothing."""
    rain = np.maximum(np.asarray(rain), 0.0).astype(np.float32)
    names = (("realization",) if rain.ndim == 4 else ()) + ("time", "y", "x")
    with netCDF4.Dataset(event.path) as d, written(path) as out:
        out.setncatts(dict(Conventions="CF-1.11", title=f"pysteps {method} of {event.name}", source=versions(), cpu_seconds=cpu_s))
        copy_grid(d, out)
        since = dict(units="seconds since 1970-01-01 00:00:00", calendar="standard")
        made = out.createVariable("forecast_reference_time", "f8")
        made.setncatts(dict(standard_name="forecast_reference_time", **since))
        made[...] = event.times[start]
        out.createDimension("time", len(leads))
        made = out.createVariable("time", "f8", ("time",))
        made.setncatts(dict(standard_name="time", axis="T", **since))
        made[:] = [event.times[start + k] for k in leads]
        if rain.ndim == 4:
            out.createDimension("realization", len(rain))
            made = out.createVariable("realization", "i4", ("realization",))
            made.setncatts(dict(standard_name="realization", units="1"))
            made[:] = np.arange(len(rain))
        chunk = (1,) * (rain.ndim - 2) + rain.shape[-2:]
        made = out.createVariable("rainfall_rate", "f4", names, fill_value=np.float32(np.nan), zlib=True, complevel=4, shuffle=True, chunksizes=chunk)
        made.setncatts(dict(standard_name="rainfall_rate", units="mm h-1", grid_mapping="crs"))
        made[:] = rain


def versions():
    from importlib.metadata import version
    return ", ".join(f"{name} {version(name)}" for name in ("pysteps", "numpy", "scipy", "opencv-python-headless"))


def forecasts(work, names, methods, every_min):
    warnings.filterwarnings("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        import cv2, pysteps                                           # pysteps greets
    cv2.setNumThreads(1)
    for name in names:
        event = Event(pathlib.Path(work, "crops", f"{name}.nc"))
        for start in event.starts(every_min):
            missing = [m for m in methods if not forecast_path(work, m, event, start).exists()]
            leads, velocity = event.leads(start), None
            for method in missing if leads else ():
                label = f"{name} {event.when(start):%Y-%m-%d %H:%M} {method}"
                try:
                    with contextlib.redirect_stdout(io.StringIO()):
                        velocity = motion(event, start) if velocity is None else velocity
                        before = time.process_time()
                        rain = nowcast(method, event, start, velocity, leads[-1])
                        cpu_s = time.process_time() - before
                except Exception as e:                                # a dry field, for one: this twin has nothing to say
                    print(f"{label}: no forecast: {e!r}"[:300], flush=True)
                    continue
                rain = np.asarray(rain)[..., [k - 1 for k in leads], :, :]
                write(forecast_path(work, method, event, start), method, event, start, rain, leads, cpu_s)
                print(f"{label}: leads {[k * event.step_min for k in leads]} min, {cpu_s:.1f} s", flush=True)


def main():
    listed = lambda text: [part for part in text.split(",") if part]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("crops", "forecasts"))
    parser.add_argument("--work", type=pathlib.Path, default=REPOSITORY / "runs/twins")
    parser.add_argument("--data", type=pathlib.Path, default=REPOSITORY.parent / "shared/data/radar")
    parser.add_argument("--events", type=listed, default=[], help="names, with commas between; all if not given")
    parser.add_argument("--methods", type=listed, default=list(METHODS), help="names, with commas between")
    parser.add_argument("--every", type=int, metavar="MIN", help="a start every so many minutes in events of hours, instead of four")
    parser.add_argument("--test", action="store_true", help="test events, too; each use must be logged")
    a = parser.parse_args()
    unknown = set(a.methods) - set(METHODS)
    if unknown:
        parser.error(f"no method {', '.join(sorted(unknown))}; known are {', '.join(METHODS)}")
    events = sources(a.data, a.test, a.events)
    for name, source in events.items():
        path = a.work / "crops" / f"{name}.nc"
        if not path.exists():
            crop(source, path)
    if a.what == "forecasts":
        forecasts(a.work, events, a.methods, a.every)


if __name__ == "__main__":
    main()
