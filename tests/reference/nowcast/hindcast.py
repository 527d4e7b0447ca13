"""Writes the configuration of a hindcast in which our forecasters and their pysteps twins are scored on the same cells.

    python hindcast.py --ours extrapolation --twins extrapolation,sprog,anvil > runs/twins/fields.toml
    nowblend hindcast --config runs/twins/fields.toml

Starts are those for which every twin asked for was made; those left out are named on stderr. Keys of ours that are not the default:
--set steps.members=20 (repeated for more). --work and --events as in twin.py, --test for test events, whose use the hindcast logs."""
import argparse, pathlib, sys
import twin


def complete(work, names, methods, every_min):
    """Events by name with the starts of which all twins are there."""
    found = {}
    for name in names:
        path = pathlib.Path(work, "crops", f"{name}.nc")
        if not path.exists():
            print(f"{name}: left out, it has no crop", file=sys.stderr)
            continue
        event = twin.Event(path)
        for start in event.starts(every_min):
            absent = [m for m in methods if not twin.forecast_path(work, m, event, start).exists()]
            if absent:
                print(f"{name} {event.when(start):%Y-%m-%d %H:%M}: left out, no {', '.join(absent)}", file=sys.stderr)
            else:
                found.setdefault(name, []).append(event.when(start))
    return found


def configuration(work, ours, keys, methods, events, folder, log_use):
    """The text of the configuration; `keys` are (kind, "key = value")."""
    times = ", ".join(f'"{time:%Y-%m-%dT%H:%M:%SZ}"' for starts in events.values() for time in starts)
    quoted = lambda path: '"' + str(path).replace("\\", "/") + '"'
    lines = [
        "# Our forecasters and pysteps' on the same frames, starts and cells; written by tests/reference/nowcast/hindcast.py.",
        "", "[hindcast]",
        f"folder = {quoted(folder)}",
        f"lead_min = {list(twin.LEADS_MIN)}",
        f'starts = {{ kind = "at", times = [{times}] }}',
    ]
    if log_use:
        lines.append('log_use = "docs/test_uses.txt"')
    for name in events:
        lines += ["", "[[hindcast.events]]", f"ingest = {{ source = {quoted(work / 'crops' / f'{name}.nc')} }}"]
    lines += ["", "[hindcast.metrics]", "margin_cells = 64", "thresholds_mm_h = [0.1, 1.0, 5.0, 10.0]", "fss_thresholds_mm_h = [1.0, 5.0]",
              "fss_windows_km = [5.0, 10.0, 20.0]", "", "[hindcast.forecaster]", 'kind = "blend"']
    for kind in ours:
        lines += ["", "[[hindcast.forecaster.of]]", f'kind = "{kind}"'] + [line for of, line in keys if of == kind]
    for method in methods:
        source = quoted(work / "forecasts" / method / "*.nc")
        lines += ["", "[[hindcast.forecaster.of]]", 'kind = "file"', f'name = "pysteps_{method}"', f"source = {source}"]
    return "\n".join(lines) + "\n"


def main():
    listed = lambda text: [part for part in text.split(",") if part]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=listed, default=list(twin.METHODS), help="kinds of ours, with commas between")
    parser.add_argument("--twins", type=listed, default=list(twin.METHODS), help="methods of pysteps, with commas between")
    parser.add_argument("--set", action="append", default=[], metavar="KIND.KEY=VALUE", help="a key of one of ours, value in TOML")
    parser.add_argument("--folder", type=pathlib.Path, help="of the hindcast; default WORK/hindcast")
    parser.add_argument("--work", type=pathlib.Path, default=twin.REPOSITORY / "runs/twins")
    parser.add_argument("--data", type=pathlib.Path, default=twin.REPOSITORY.parent / "shared/data/radar")
    parser.add_argument("--events", type=listed, default=[])
    parser.add_argument("--every", type=int, metavar="MIN", help="as in twin.py")
    parser.add_argument("--test", action="store_true")
    a = parser.parse_args()
    keys = []
    for given in a.set:
        key, equals, value = given.partition("=")
        kind, dot, key = key.strip().partition(".")
        if not (equals and dot):
            parser.error(f"--set {given}: expected KIND.KEY=VALUE")
        keys.append((kind, f"{key} = {value.strip()}"))
    events = complete(a.work, twin.sources(a.data, a.test, a.events), a.twins, a.every)
    if not events:
        raise SystemExit("no start has all twins\nhint: run twin.py first")
    print(f"{sum(map(len, events.values()))} starts of {len(events)} events", file=sys.stderr)
    print(configuration(a.work, a.ours, keys, a.twins, events, a.folder or a.work / "hindcast", a.test), end="")


if __name__ == "__main__":
    main()
