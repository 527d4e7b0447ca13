//! A forecaster, a researcher and a user of ODIM files begin with the README in hand: its commands are run as they stand there.

use std::{collections::BTreeSet, fs, io::BufReader, path::Path};

use chrono::{TimeZone, Utc};
use ndarray::{Array2, Array4};
use ndarray_npy::WriteNpyExt;
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
use nowblend::demo::{SceneConfig, write_scene};
use nowblend_field::{Grid, LeadTime, Projection, Seed, storms::Scene};

use crate::support::nowblend;

/// The map of the made composites.
pub const ODIM_MAP: &str = "+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84 +units=m +no_defs";

/// A section of the README: files that it gives, and commands in order.
struct Section {
    files: Vec<(String, String)>,
    commands: Vec<Vec<String>>,
    pictures: Vec<String>,
}

/// Reads a section: an indented block that begins with `# NAME.toml` is a file, other indented lines are commands, and what one is told to look at
/// is a picture.
fn section(title: &str) -> Section {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("### {title}\n")).expect("the README has the section");
    let text = rest.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let mut found = Section {
        files: Vec::new(),
        commands: Vec::new(),
        pictures: Vec::new(),
    };
    for block in text.split("\n\n") {
        let lines: Vec<&str> = block.lines().filter_map(|l| l.strip_prefix("    ")).collect();
        match lines.first().and_then(|l| l.strip_prefix("# ")) {
            Some(name) => found.files.push((name.to_owned(), lines[1..].join("\n"))),
            None => found
                .commands
                .extend(lines.iter().map(|l| l.split_whitespace().map(str::to_owned).collect())),
        }
        for quoted in block.split('`').skip(1).step_by(2).filter(|q| q.ends_with(".png")) {
            found.pictures.push(quoted.to_owned());
        }
    }
    assert!(!found.commands.is_empty() && !found.pictures.is_empty(), "{title}");
    found
}

/// Runs a section in `folder` and looks at its pictures; gives what the commands said on standard output.
fn walk(folder: &Path, title: &str) -> Vec<String> {
    let section = section(title);
    for (name, content) in &section.files {
        fs::write(folder.join(name), content).unwrap();
    }
    let mut said = Vec::new();
    for command in &section.commands {
        assert_eq!(command[0], "nowblend", "{command:?}");
        let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        let done = nowblend(folder, &words);
        assert!(done.ok(), "{command:?}: {}", done.err);
        said.push(done.out);
    }
    for picture in &section.pictures {
        let mut decoder = png::Decoder::new(BufReader::new(fs::File::open(folder.join(picture)).unwrap()));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut points = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut points).unwrap();
        let colours: BTreeSet<_> = points.as_chunks::<4>().0.iter().collect();
        assert!(frame.width > 300 && colours.len() > 8, "{picture}: {} colours", colours.len());
    }
    said
}

/// Eight past and six future frames of the simulated scene in one folder, as a radar network writes them.
fn mrms(folder: &Path, future_frames: usize) {
    let config = SceneConfig {
        future_frames,
        ..SceneConfig::new(Seed(1))
    };
    let scene = write_scene(&folder.join("scene"), &config).unwrap();
    let to = folder.join("mrms");
    fs::create_dir(&to).unwrap();
    for from in [scene.past, scene.future] {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_forecaster_with_mrms() {
    let folder = tempfile::tempdir().unwrap();
    mrms(folder.path(), 1);
    let said = walk(folder.path(), "A forecaster with MRMS");
    assert_eq!(said[0].lines().count(), 9);
    assert_eq!(said[1].lines().count(), 12);
    assert!(
        said[2].contains("Lawrence") && said[2].contains("Newton") && said[2].contains("60 min until"),
        "{}",
        said[2]
    );
    assert!(folder.path().join("now/report.html").is_file());
}

#[test]
fn a_researcher_with_netcdf() {
    let folder = tempfile::tempdir().unwrap();
    mrms(folder.path(), 12);
    let theirs = Array4::from_shape_fn(
        (4, 2, 320, 320),
        |(member, _, y, x)| if (y + x) % 40 < 10 { member as f32 } else { 0.0 },
    );
    theirs
        .write_npy(fs::File::create(folder.path().join("theirs.npy")).unwrap())
        .unwrap();
    walk(folder.path(), "A researcher with NetCDF");
    let scores = fs::read_to_string(folder.path().join("study/scores.csv")).unwrap();
    for component in ["blend", "extrapolation", "persistence", "theirs"] {
        assert!(scores.contains(component), "{component} is not scored");
    }
    assert!(folder.path().join("study/forecast.zarr/rainfall_rate_ensemble/zarr.json").is_file());
    // Members have a probability, and so a map of it.
    assert!(folder.path().join("study/probability_1_mm_h_060min.png").is_file());
}

#[test]
fn a_user_with_odim() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("odim")).unwrap();
    let grid = Grid::plane(120, 150, 2000.0);
    let scene = Scene::random(&grid, Seed(5)).sequence(Utc.with_ymd_and_hms(2024, 7, 1, 12, 0, 0).unwrap(), LeadTime::from_minutes(15), 4);
    for k in 0..4 {
        let bytes = odim(ODIM_MAP, &scene.frame(k).to_owned(), 15 * k as u32);
        fs::write(
            folder.path().join(format!("odim/T_PAAH21_C_EUOC_2024070112{:02}00.hdf", 15 * k)),
            bytes,
        )
        .unwrap();
    }
    let said = walk(folder.path(), "A user with ODIM");
    // The southern fifth has a quality of 0.2: not observed.
    let first: serde_json::Value = serde_json::from_str(said[0].lines().next().unwrap()).unwrap();
    let seen = first["observed_share"].as_f64().unwrap();
    assert!((seen - 0.8).abs() < 1e-6, "{seen}");
    let rasters = fs::read_dir(folder.path().join("europe/geotiff")).unwrap().count();
    // Rain and four probabilities of eight times; amounts of eight quarters, four halves and two hours; where they come from.
    assert_eq!(rasters, 8 * 5 + 14 + 1);
}

/// An ODIM composite of rain `[y, x]`, mm h⁻¹, row 0 in the south, with a quality field that is poor in the south.
pub fn odim(map: &str, rain: &Array2<f32>, minutes: u32) -> Vec<u8> {
    let (rows, columns) = rain.dim();
    let mut file = NcFileBuilder::new();
    let dimensions = [
        file.add_dimension("rows", rows as u64).unwrap(),
        file.add_dimension("columns", columns as u64).unwrap(),
    ];
    // The first row is the northern one; steps of 0.01 mm/h, 65535 not observed.
    let north_first = |row: usize| rows - 1 - row;
    let steps: Vec<u16> = (0..rows * columns)
        .map(|i| (rain[[north_first(i / columns), i % columns]] * 100.0) as u16)
        .collect();
    let quality: Vec<u16> = (0..rows * columns)
        .map(|i| if north_first(i / columns) < rows / 5 { 51 } else { 255 })
        .collect();
    for (name, values) in [("dataset1/data1/data", &steps), ("dataset1/quality1/data", &quality)] {
        let variable = file.add_variable_path::<u16>(name, &dimensions).unwrap();
        file.write_variable(variable, values).unwrap();
    }
    let text = |value: &str| NcAttrValue::Chars(value.to_owned());
    let number = |value: f64| NcAttrValue::Doubles(vec![value]);
    file.add_attribute("Conventions", text("ODIM_H5/V2_3")).unwrap();
    let projection = Projection::parse(map).unwrap();
    let spacing = 2000.0;
    let (west, south) = (-0.5 * spacing * columns as f64, -0.5 * spacing * rows as f64);
    let (lower, upper) = (projection.inverse(west, south).unwrap(), projection.inverse(-west, -south).unwrap());
    for (group, name, value) in [
        ("what", "object", text("COMP")),
        ("what", "version", text("H5rad 2.3")),
        ("what", "date", text("20240701")),
        ("what", "time", text(&format!("12{minutes:02}00"))),
        ("where", "projdef", text(map)),
        ("where", "xsize", number(columns as f64)),
        ("where", "ysize", number(rows as f64)),
        ("where", "xscale", number(spacing)),
        ("where", "yscale", number(spacing)),
        ("where", "LL_lon", number(lower.0)),
        ("where", "LL_lat", number(lower.1)),
        ("where", "UR_lon", number(upper.0)),
        ("where", "UR_lat", number(upper.1)),
        ("dataset1/what", "product", text("COMP")),
        ("dataset1/data1/what", "quantity", text("RATE")),
        ("dataset1/data1/what", "gain", number(0.01)),
        ("dataset1/data1/what", "offset", number(0.0)),
        ("dataset1/data1/what", "nodata", number(65_535.0)),
        ("dataset1/data1/what", "undetect", number(0.0)),
        ("dataset1/quality1/what", "gain", number(1.0 / 255.0)),
        ("dataset1/quality1/what", "offset", number(0.0)),
        ("dataset1/quality1/how", "task", text("fi.fmi.ropo.detector.classification")),
    ] {
        file.add_group_attribute(group, name, value).unwrap();
    }
    let options = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    file.to_vec(options).unwrap().1
}
