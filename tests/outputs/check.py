"""Opens what nowblend writes with the tools that people already use, and holds times, coordinates, maps and numbers against one another.

Usage: check.py PROGRAM FOLDER. Makes small radar files on three maps, forecasts them with an ensemble of "another program" in the blend, in every format.
"""

import os
import subprocess
import sys
import warnings

import netCDF4
import numpy as np
import pyproj
import rasterio
import rioxarray
import xarray as xr
from rio_cogeo.cogeo import cog_validate

warnings.simplefilter("ignore")
PROGRAM, FOLDER = os.path.abspath(sys.argv[1]), sys.argv[2]
REFERENCE = np.datetime64("2024-07-01T15:00:00", "ns")
MAPS = {
    "lonlat": ("+proj=longlat +datum=WGS84 +no_defs", 10.0, 50.0, 0.015, 0.01, True),
    "lambert": ("+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +R=6370000 +units=m +no_defs", -2e5, -1e5, 1000.0, 1000.0, True),
    "polar": ("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +R=6370040 +units=m +no_defs", -1e5, -4.2e6, 1000.0, 1000.0, True),
    "swiss": (
        "+proj=somerc +lat_0=46.95240555555556 +lon_0=7.439583333333333 +k_0=1 +x_0=600000 +y_0=200000 +ellps=bessel "
        "+towgs84=674.374,15.056,405.346,0,0,0,0 +units=m +no_defs",
        5.5e5, 1.5e5, 1000.0, 1000.0, False,
    ),
    "azimuthal": ("+proj=laea +lat_0=55 +lon_0=10 +x_0=1950000 +y_0=-2100000 +units=m +ellps=WGS84", 2e6, -2.2e6, 2000.0, 2000.0, False),
}
SHAPE = (96, 128)
LEADS = 12


def radar(path, definition, x0, y0, dx, dy):
    """Five frames of a shower that moves east, with a corner that nobody observed."""
    with netCDF4.Dataset(path, "w") as out:
        for name, size in [("time", 5), ("y", SHAPE[0]), ("x", SHAPE[1])]:
            out.createDimension(name, size)
        time = out.createVariable("time", "i8", ("time",))
        time.units, time.standard_name = "seconds since 1970-01-01 00:00:00", "time"
        time[:] = (REFERENCE.astype("datetime64[s]").astype(int)) + 300 * np.arange(-4, 1)
        geographic = "longlat" in definition
        for name, first, step, kind in [("y", y0, dy, "latitude"), ("x", x0, dx, "longitude")]:
            axis = out.createVariable(name, "f8", (name,))
            axis[:] = first + step * np.arange(len(out.dimensions[name]))
            axis.standard_name = kind if geographic else f"projection_{name}_coordinate"
            axis.units = ("degrees_north" if name == "y" else "degrees_east") if geographic else "m"
        crs = out.createVariable("crs", "i4")
        crs.proj4 = definition
        rain = out.createVariable("rainfall_rate", "f4", ("time", "y", "x"), fill_value=np.nan)
        rain.standard_name, rain.units, rain.grid_mapping = "rainfall_rate", "mm h-1", "crs"
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        for k in range(5):
            field = 20 * np.exp(-((y - 48) ** 2 + (x - 30 - 4 * k) ** 2) / 120.0) + 8 * np.exp(-((y - 20) ** 2 + (x - 70 - 4 * k) ** 2) / 60.0)
            field[field < 0.1] = 0
            field[:8, :8] = np.nan
            rain[k] = field


def run(*words):
    subprocess.run([PROGRAM, *words], check=True, stdout=subprocess.DEVNULL)


def forecast(name, grib):
    definition, x0, y0, dx, dy, _ = MAPS[name]
    folder = os.path.join(FOLDER, name)
    os.makedirs(folder, exist_ok=True)
    radar(f"{folder}/radar.nc", definition, x0, y0, dx, dy)
    # Another program's ensemble: three members, half an hour apart in two lead times.
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    members = np.stack([[(k + 1) * 4 * np.exp(-((y - 48) ** 2 + (x - 60 - 20 * lead) ** 2) / 200.0) for lead in range(3)] for k in range(3)])
    np.save(f"{folder}/theirs.npy", members.astype("f4"))
    also = ["zarr", "geotiff"] + (["grib2"] if grib else [])
    with open(f"{folder}/run.toml", "w") as config:
        config.write(
            f"""
[output]
also = {also}
[maps]
lead_min = []
[forecast]
lead_count = {LEADS}
[forecast.forecaster]
kind = "blend"
[[forecast.forecaster.of]]
kind = "extrapolation"
[[forecast.forecaster.of]]
kind = "file"
name = "theirs"
source = "{folder}/theirs.npy"
reference_time = "2024-07-01T15:00:00Z"
lead_min = [0.0, 30.0, 60.0]
"""
        )
    run("forecast", f"{folder}/radar.nc", "--config", f"{folder}/run.toml", "--output", f"{folder}/out")
    return f"{folder}/out", definition


def check_netcdf(out, definition):
    report = f"{out}/cf.txt"
    done = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "compliance-checker"), "--test=cf:1.11", f"{out}/forecast.nc", "--output", report],
        capture_output=True,
        text=True,
    )
    text = open(report).read()
    assert "Errors" not in text, text + done.stderr
    nc = xr.open_dataset(f"{out}/forecast.nc")
    assert nc.time.values[0] == REFERENCE + np.timedelta64(5, "m") and len(nc.time) == LEADS
    assert nc.forecast_reference_time.values == REFERENCE
    assert nc.rainfall_rate_ensemble.dims == ("realization", "time", "y", "x") and len(nc.realization) == 3
    np.testing.assert_allclose(nc.rainfall_rate_ensemble.mean("realization"), nc.rainfall_rate, rtol=1e-5, atol=1e-5)
    probability = nc.probability_of_rainfall_rate_above_threshold
    assert probability.dims[0] == "threshold" and (probability.diff("threshold") <= 1e-6).where(probability.notnull().all("threshold")).fillna(1).all()
    bounds = nc.time_60min_bounds.values[0]
    assert bounds[0] == REFERENCE and bounds[1] == nc.time_60min.values[0] == REFERENCE + np.timedelta64(60, "m")
    assert "probability_of_rainfall_amount_60min_above_threshold" in nc
    flag = nc.rainfall_rate_flag.values
    assert ((flag == 1) == np.isnan(nc.rainfall_rate.values)).all()
    stored = pyproj.CRS.from_wkt(nc.crs.attrs["crs_wkt"])
    return nc, stored, corners(pyproj.CRS.from_user_input(definition), nc.x.values, nc.y.values), corners(stored, nc.x.values, nc.y.values)


def corners(crs, x, y):
    to = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    return np.array([to.transform(x[i], y[j]) for i in (0, -1) for j in (0, -1)])


def check_zarr(out, nc):
    stored = xr.open_zarr(f"{out}/forecast.zarr", consolidated=False)
    assert set(stored.variables) == set(nc.variables)
    for name in nc.variables:
        ours, theirs = nc[name], stored[name]
        assert ours.dims == theirs.dims, name
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-6, err_msg=name)
        else:
            assert (ours.values == theirs.values).all(), name


def check_geotiff(out, nc, expected):
    valid = nc.time.values[0].astype("datetime64[s]").item().strftime("%Y%m%dT%H%M%SZ")
    path = f"{out}/geotiff/rainfall_rate_{valid}.tif"
    sound, errors, _ = cog_validate(path, strict=True)
    assert sound, errors
    raster = rioxarray.open_rasterio(path)
    np.testing.assert_array_equal(raster.values[0, ::-1], nc.rainfall_rate.values[0])
    with rasterio.open(path) as opened:
        crs = pyproj.CRS.from_wkt(opened.crs.to_wkt())
    found = corners(crs, raster.x.values, raster.y.values[::-1])
    assert abs(found - expected).max() < 1e-6, (found, expected)
    assert len([f for f in os.listdir(f"{out}/geotiff") if f.startswith("rainfall_rate_")]) == LEADS


def check_grib2(out, nc):
    grib = xr.open_dataset(f"{out}/forecast.grib2", engine="cfgrib", backend_kwargs={"indexpath": ""})
    assert grib.sizes["number"] == 3 and grib.sizes["step"] == LEADS
    assert (grib.step.values == np.arange(1, LEADS + 1) * np.timedelta64(5, "m")).all()
    assert grib.time.values == REFERENCE and (grib.valid_time.values == nc.time.values).all()
    rain = grib.tprate.transpose("number", "step", ...).values * 3600
    ours = nc.rainfall_rate_ensemble.values
    assert (np.isnan(rain) == np.isnan(ours)).all() and np.nanmax(abs(rain - ours)) < 0.005
    longitude, latitude = np.broadcast_arrays(grib.longitude.values, grib.latitude.values if grib.latitude.ndim == 2 else grib.latitude.values[:, None])
    if "lon" in nc:
        ours_lon, ours_lat = nc.lon.values, nc.lat.values
    else:
        ours_lon, ours_lat = np.meshgrid(nc.x.values, nc.y.values)
    assert abs((longitude - ours_lon + 180) % 360 - 180).max() < 2e-6 and abs(latitude - ours_lat).max() < 2e-6


for name, (*_, grib) in MAPS.items():
    out, definition = forecast(name, grib)
    nc, _, expected, found = check_netcdf(out, definition)
    assert abs(found - expected).max() < 1e-6, (found, expected)
    check_zarr(out, nc)
    check_geotiff(out, nc, expected)
    if grib:
        check_grib2(out, nc)
    print(f"{name}: CF checker, xarray, rasterio, rioxarray{', cfgrib' if grib else ''} agree on times, coordinates, map and numbers")
