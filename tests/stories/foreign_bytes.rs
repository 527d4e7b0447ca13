//! A forecaster on duty never asked for damaged files and gets them: ten thousand of them, a run of the program each. None panics, dies, takes
//! ten seconds or much memory; what is refused is refused in one line that names the file, and nothing is printed or left behind.
//!
//! More of them (`NOWBLEND_DAMAGE_OF` says of which, `NOWBLEND_PROGRAM` with which build of the program), and one again, by its name and seed:
//!
//!     NOWBLEND_DAMAGE=100000,7 cargo test --workspace --locked --test nowblend -- ten_thousand --nocapture
//!     NOWBLEND_DAMAGE='rain.grib2:1234' cargo test --workspace --locked --test nowblend -- ten_thousand --nocapture

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use ndarray_npy::WriteNpyExt;
use nowblend::demo::{SceneConfig, write_scene};
use nowblend_field::{Grid, LeadTime, Seed, storms::Scene};

use crate::{
    damage::{Kind, Numbers, damage},
    made::{self, Frames, SMALL, radar},
    support::{data, start, write_frame},
};

/// Damaged files of the gate.
const FILES: usize = 10_000;
/// Where their seeds start.
const SEED: u64 = 20_240_701;
/// CPU time of a run, s.
const CPU_S: u64 = 10;
/// Memory that a damaged file below [`SMALL_BYTES`] may take beyond the sound one, kB.
const MEMORY_KB: u64 = 64 << 10;
const SMALL_BYTES: usize = 300_000;

/// Quick to forecast.
const QUICK: &str = "[forecast]\nlead_count = 2\nlead_step_min = 5\n\n[forecast.forecaster]\nkind = 'blend'\n\
                     of = [{ kind = 'extrapolation' }, { kind = 'persistence' }]\n\n[maps]\nlead_min = [5]\n";

/// A short hindcast.
const HINDCAST_TOML: &str = "[hindcast]\nfolder = 'cases'\nlead_min = [5]\nseed = 3\n\n[[hindcast.events]]\ningest = { source = '../radar', frames = 2 }\n\n\
                             [hindcast.starts]\nkind = 'every'\nevery_min = 5\n\n[hindcast.forecaster]\nkind = 'persistence'\n\n\
                             [hindcast.metrics]\nmargin_cells = 2\nfss_windows_km = [4.0]\n";

/// A sound file, what the program does with it, and how large its share is.
struct Base {
    name: String,
    bytes: Vec<u8>,
    /// `FILE` stands for the damaged file.
    arguments: &'static [&'static str],
    share: usize,
}

const INGEST: &[&str] = &["ingest", "FILE"];
const FIELDS: &[&str] = &["ingest", "--fields", "FILE"];
const FORECAST: &[&str] = &["forecast", "FILE", "--config", "../quick.toml", "--output", "out"];
const CONFIG: &[&str] = &["config", "FILE"];
const RUN: &[&str] = &["forecast", "../radar", "--config", "FILE", "--output", "out"];
const HINDCAST: &[&str] = &["hindcast", "--config", "FILE"];
const AIR: &[&str] = &["forecast", "../radar", "--config", "../air.toml", "--output", "out"];
const WEIGHTS: &[&str] = &["forecast", "../radar", "--config", "../net.toml", "--output", "out"];
const GIVEN: &[&str] = &[
    "forecast",
    "../radar",
    "--reference-time",
    "2020-07-01T12:00",
    "--config",
    "../given.toml",
    "--output",
    "out",
];
const VERIFY: &[&str] = &["verify", "FILE", "../radar", "--config", "../verify.toml"];
const TRUTH: &[&str] = &["verify", "../forecast.nc", "FILE", "--config", "../verify.toml"];

fn base(name: &str, bytes: Vec<u8>, arguments: &'static [&'static str], share: usize) -> Base {
    Base {
        name: name.to_owned(),
        bytes,
        arguments,
        share,
    }
}

/// Sound files that are made here, so that the set means something without any data.
fn made_here(folder: &Path) -> Vec<Base> {
    let grid = Grid::plane(24, 28, 2000.0);
    let radar_folder = folder.join("radar");
    fs::create_dir_all(&radar_folder).unwrap();
    let scene = Scene::random(&grid, Seed(3)).sequence(start(), LeadTime::from_minutes(5), 3);
    let frames: Vec<PathBuf> = (0..3)
        .map(|k| write_frame(&radar_folder, &grid, 5 * k as i64, &scene.frame(k).to_owned()))
        .collect();
    fs::write(folder.join("quick.toml"), QUICK).unwrap();
    fs::write(
        folder.join("air.toml"),
        format!("{QUICK}\n[air]\nsource = 'air.grib2'\nwithin_h = 1e6\n"),
    )
    .unwrap();
    let network = QUICK.replace(
        "{ kind = 'persistence' }",
        "{ kind = 'nowcast_net', checkpoint = 'weights.safetensors' }",
    );
    fs::write(folder.join("net.toml"), network).unwrap();
    let given = "source = 'given', reference_time = '2020-07-01T12:00:00Z', lead_min = [5.0, 30.0, 60.0]";
    let given = QUICK.replace("{ kind = 'persistence' }", &format!("{{ kind = 'file', {given} }}"));
    let given = given.replace("{ kind = 'extrapolation' }, ", "");
    fs::write(folder.join("given.toml"), given).unwrap();
    fs::write(folder.join("verify.toml"), "[verify]\nmargin_cells = 2\n").unwrap();
    // A forecast of the first frames, for the last to judge.
    let first = folder.join("first");
    fs::create_dir_all(&first).unwrap();
    fs::copy(&frames[0], first.join("a.nc")).unwrap();
    let said = crate::support::nowblend(folder, &["forecast", "first", "--config", "quick.toml", "--output", "made"]);
    assert!(said.ok(), "{}", said.err);
    fs::rename(folder.join("made/forecast.nc"), folder.join("forecast.nc")).unwrap();

    let one = SceneConfig {
        past_frames: 1,
        future_frames: 0,
        ..SceneConfig::new(Seed(1))
    };
    let demo = write_scene(&folder.join("demo"), &one).unwrap();
    let demo = fs::read(fs::read_dir(demo.past).unwrap().next().unwrap().unwrap().path()).unwrap();
    let mut gzipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzipped, &demo).unwrap();

    let mut npy = Vec::new();
    ndarray::Array4::<f32>::from_elem((2, 3, 24, 28), 1.5).write_npy(&mut npy).unwrap();
    let odim = super::walk_through::odim(super::walk_through::ODIM_MAP, &scene.frame(0).to_owned(), 15);

    let rain = made::some_rain();
    let simple = radar(&rain, start(), SMALL);
    let netcdf = |format, degrees| {
        Frames {
            rain: ndarray::Array3::from_elem((2, 4, 5), 1.5),
            times: vec![0.0, 300.0],
            units: "mm h-1",
            degrees,
            format,
        }
        .bytes()
    };
    let full = QUICK.to_owned() + nowblend::config::DEFAULT_TOML.split("[forecast]").next().unwrap();
    let stored = fs::read(folder.join("forecast.nc")).unwrap();
    let mut bases = vec![
        base("simple.grib2", simple.clone(), INGEST, 12),
        base(
            "two.grib2",
            [simple.clone(), radar(&rain, start() + chrono::TimeDelta::minutes(5), SMALL)].concat(),
            INGEST,
            8,
        ),
        base("rain.grib2", simple, FORECAST, 4),
        base("scene.grib2", demo, INGEST, 3),
        base("scene.grib2.gz", gzipped.finish().unwrap(), INGEST, 3),
        base("classic.nc", netcdf(netcdf_writer::NcWriteFormat::Classic, true), INGEST, 12),
        base("projected.nc", netcdf(netcdf_writer::NcWriteFormat::Classic, false), INGEST, 6),
        base("hdf5.nc", netcdf(netcdf_writer::NcWriteFormat::Nc4, false), INGEST, 12),
        base("frame.nc", fs::read(&frames[1]).unwrap(), FORECAST, 5),
        base("forecast.nc", stored.clone(), VERIFY, 8),
        base("truth.nc", fs::read(&frames[1]).unwrap(), TRUTH, 3),
        base("theirs.nc", stored.clone(), GIVEN, 4),
        base("theirs.npy", npy, GIVEN, 4),
        base("odim.h5", odim, INGEST, 8),
        base("state.grib2", made::state(start()), AIR, 4),
        base("weights.safetensors", nowblend_ml::SHIPPED_WEIGHTS[0].to_vec(), WEIGHTS, 1),
        base("default.toml", nowblend::config::DEFAULT_TOML.as_bytes().to_vec(), CONFIG, 10),
        base("run.toml", full.into_bytes(), RUN, 4),
        base("all.toml", nowblend::config::DEFAULT_TOML.as_bytes().to_vec(), RUN, 1),
        base("hindcast.toml", HINDCAST_TOML.as_bytes().to_vec(), HINDCAST, 3),
    ];
    for (name, bytes) in made::packings() {
        bases.push(base(name, bytes, FIELDS, 10));
    }
    bases
}

/// Real files, where they are: whole ones that are small, a message of those that are not, few samples of the large.
fn real(folder: &Path) -> Vec<Base> {
    let mut bases = Vec::new();
    let list = |part: &str| {
        let mut found: Vec<PathBuf> =
            fs::read_dir(folder.join(part)).map_or_else(|_| Vec::new(), |e| e.map(|e| e.unwrap().path()).collect());
        found.retain(|p| p.is_file());
        found.sort();
        found
    };
    let name_of = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    for path in ["grib", "nwp"].into_iter().flat_map(list) {
        let bytes = fs::read(&path).unwrap();
        let (name, kind) = (name_of(&path), Kind::of(&bytes));
        if kind == Kind::NetCdf3 || kind == Kind::Hdf5 {
            bases.push(base(&name, bytes, INGEST, 1));
        } else if kind == Kind::Grib2 {
            // The first small message, and, of a packing that only large ones have, few samples.
            let messages = crate::damage::messages(&bytes);
            match messages.iter().find(|m| m.len() < 60_000) {
                Some(one) => bases.push(base(&name, bytes[one.clone()].to_vec(), FIELDS, 4)),
                None if messages[0].len() < 800_000 => bases.push(base(&name, bytes[messages[0].clone()].to_vec(), FIELDS, 1)),
                None => {}
            }
        }
    }
    for part in [
        "raw/bom",
        "raw/fmi-geotiff",
        "raw/fmi-pgm",
        "raw/mch-gif",
        "raw/odim",
        "raw/radolan",
    ] {
        if let Some(path) = list(part).into_iter().min_by_key(|p| fs::metadata(p).unwrap().len()) {
            let bytes = fs::read(&path).unwrap();
            let share = if bytes.len() < SMALL_BYTES { 4 } else { 1 };
            bases.push(base(&name_of(&path), bytes, INGEST, share));
        }
    }
    bases
}

/// What a run did.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
    peak_kb: u64,
}

/// Runs the program on `bytes` in a folder of its own.
fn run(folder: &Path, base: &Base, bytes: &[u8]) -> Ran {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let name = match base.arguments {
        a if std::ptr::eq(a, AIR) => "air.grib2",
        a if std::ptr::eq(a, WEIGHTS) => "weights.safetensors",
        a if std::ptr::eq(a, GIVEN) => "given",
        _ => base.name.as_str(),
    };
    fs::write(folder.join(name), bytes).unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -c 0; ulimit -t {CPU_S}; ulimit -v 4194304; exec \"$0\" \"$@\""),
        ])
        .arg(std::env::var("NOWBLEND_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_nowblend").into()))
        .args(base.arguments.iter().map(|a| if *a == "FILE" { name } else { a }))
        .current_dir(folder)
        .env("RUST_BACKTRACE", "0")
        .env("NOWBLEND_LOG", "info,resources=debug")
        .output()
        .unwrap();
    let (mut peak_kb, mut err) = (0, String::new());
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        match line.split_once("peak memory ") {
            Some((_, words)) => peak_kb = words.trim_end_matches(" kB").parse().unwrap_or(u64::MAX),
            None => err.push_str(&format!("{line}\n")),
        }
    }
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err,
        peak_kb,
    }
}

/// What is wrong with what a run on a damaged file did, if anything.
fn fault(folder: &Path, bytes: &[u8], clean_kb: u64, ran: &Ran) -> Option<String> {
    if ran.err.contains("panicked") {
        return Some(format!("a panic: {}", ran.err));
    }
    if bytes.len() < SMALL_BYTES && ran.peak_kb > clean_kb + MEMORY_KB {
        return Some(format!("{} kB of memory, {clean_kb} kB for the sound file", ran.peak_kb));
    }
    match ran.code {
        Some(0) if ran.out.is_empty() => Some(format!("success without output: {}", ran.err)),
        Some(0) => None,
        Some(1) => {
            // What a configuration names may not be there: no damage, and a hint has its own line.
            let hinted = Kind::of(bytes) == Kind::Text;
            let lines = ran.err.lines().filter(|l| !(hinted && l.starts_with("hint: "))).count();
            let left: Vec<_> =
                fs::read_dir(folder.join("out")).map_or_else(|_| Vec::new(), |e| e.map(|e| e.unwrap().file_name()).collect());
            if !ran.out.is_empty() {
                Some(format!("a refusal with output: {}{}", ran.out, ran.err))
            } else if lines != 1 {
                Some(format!("a refusal of {lines} lines: {}", ran.err))
            } else if !left.is_empty() {
                Some(format!("a refusal that leaves {left:?}: {}", ran.err))
            } else {
                None
            }
        }
        code => Some(format!("ended with {code:?}: {}", ran.err)),
    }
}

#[test]
fn of_ten_thousand_damaged_files_none_panics_hangs_or_is_silent() {
    let asked = std::env::var("NOWBLEND_DAMAGE").unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    let mut bases = made_here(folder.path());
    let made = bases.len();
    if let Some(data) = data("the damaged real files") {
        bases.extend(real(&data));
    }
    let again = asked
        .rsplit_once(':')
        .and_then(|(name, seed)| Some((name.to_owned(), seed.parse::<u64>().ok()?)));
    let (files, first_seed) = asked
        .split_once(',')
        .and_then(|(n, s)| Some((n.parse().ok()?, s.parse().ok()?)))
        .unwrap_or((FILES, SEED));
    // The sound files first: none is refused for the damage that it does not have, and each says how much memory it takes.
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let sound = |k: usize, base: &Base| {
        let ran = run(&folder.path().join("w0"), base, &base.bytes);
        assert!(
            // Model fields in NetCDF are no rain.
            ran.code == Some(0) || k >= made && base.name.ends_with(".nc"),
            "{}: {}",
            base.name,
            ran.err
        );
        ran.peak_kb.max(1)
    };
    let clean: Vec<u64> = bases.iter().enumerate().map(|(k, base)| sound(k, base)).collect();
    let only = std::env::var("NOWBLEND_DAMAGE_OF").unwrap_or_default();
    let chosen = bases.iter().enumerate().filter(|(_, b)| b.name.contains(&only));
    let shares: Vec<usize> = chosen.flat_map(|(k, b)| vec![k; b.share]).collect();
    let work: Vec<(usize, u64)> = match &again {
        Some((name, seed)) => {
            let base = bases.iter().position(|b| b.name == *name).expect("a base of that name");
            vec![(base, *seed)]
        }
        None => {
            let mut numbers = Numbers(first_seed);
            (0..files).map(|k| (shares[k % shares.len()], numbers.draw() >> 1)).collect()
        }
    };
    let (next, faults, begun) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
    let peak = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (next, faults, bases, work, clean, folder, peak) = (&next, &faults, &bases, &work, &clean, folder.path(), &peak);
            let again = again.is_some();
            scope.spawn(move || {
                let place = folder.join(format!("w{worker}"));
                while let Some(&(k, seed)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let base = &bases[k];
                    let other = &bases[(seed % bases.len() as u64) as usize].bytes;
                    let damaged = damage(&base.bytes, other, seed);
                    let ran = run(&place, base, &damaged.bytes);
                    if damaged.bytes.len() < SMALL_BYTES {
                        peak.fetch_max(ran.peak_kb.saturating_sub(clean[k]) as usize, Ordering::Relaxed);
                    }
                    let found = fault(&place, &damaged.bytes, clean[k], &ran);
                    if again {
                        println!("{}\n{:?}\n{}{}{} kB", damaged.how, ran.code, ran.out, ran.err, ran.peak_kb);
                        fs::write(std::env::temp_dir().join("nowblend-damaged"), &damaged.bytes).unwrap();
                    }
                    if let Some(words) = found {
                        let again = format!("NOWBLEND_DAMAGE='{}:{seed}'", base.name);
                        faults
                            .lock()
                            .unwrap()
                            .push(format!("{again} ({}, {:?}): {}", damaged.how, base.arguments, words.trim_end()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    println!(
        "{} damaged files of {} sound ones in {:.0} s, {} kB above the sound one at most, {} faults",
        work.len(),
        bases.len(),
        begun.elapsed().as_secs_f64(),
        peak.into_inner(),
        faults.len()
    );
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), work.len(), faults.join("\n"));
}

#[test]
fn a_field_that_claims_to_be_larger_than_its_coordinates_takes_no_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    let bases = made_here(folder.path());
    for (name, shape) in [("forecast.nc", [2u64, 24, 28]), ("hdf5.nc", [2, 4, 5])] {
        let base = bases.iter().find(|b| b.name == name).unwrap();
        let sound = run(&folder.path().join("w"), base, &base.bytes);
        let mut bytes = base.bytes.clone();
        let claimed: Vec<u8> = shape.iter().flat_map(|n| n.to_le_bytes()).collect();
        // The columns of every field of that shape become 16 million.
        let places: Vec<usize> = (0..bytes.len() - 24).filter(|k| bytes[*k..*k + 24] == claimed).collect();
        assert!(!places.is_empty(), "{name}");
        for at in places {
            bytes[at + 16..at + 24].copy_from_slice(&(1u64 << 24).to_le_bytes());
        }
        crate::damage::mend_hdf5(&mut bytes);
        let place = folder.path().join("w");
        let ran = run(&place, base, &bytes);
        assert_eq!(fault(&place, &bytes, sound.peak_kb, &ran), None, "{name}");
    }
}
