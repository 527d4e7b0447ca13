#![allow(missing_docs)]
use ndarray::{s, Ix3};
use netcdf_reader::NcFile;
use nowblend::render::{map, Labels, colour};
use nowblend_field::*;
pub fn load(path: &str) -> (Grid, ndarray::Array3<f32>, Vec<f64>) {
    let f = NcFile::open(path).unwrap();
    let r = f.read_variable_unpacked_masked("rainfall_rate").unwrap().mapv(|v| v as f32).into_dimensionality::<Ix3>().unwrap();
    let p = f.variable("crs").unwrap().attributes().iter().find(|a| a.name == "proj4").unwrap().value.as_string().unwrap();
    let ax = |n: &str| { let v = f.read_variable_as_f64(n).unwrap(); let v: Vec<f64> = v.iter().copied().collect(); Axis { first: v[0], spacing: v[1] - v[0], count: v.len() } };
    let g = Grid::new(ax("y"), ax("x"), Projection::parse(&p).unwrap()).unwrap();
    let t = f.read_variable_as_f64("time").unwrap().iter().copied().collect();
    (g, r, t)
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (g, r, _) = load(&args[1]);
    println!("{g} {:?}", r.dim());
    let f = r.slice(s![args[2].parse::<usize>().unwrap(), .., ..]);
    let t = std::time::Instant::now();
    let png = map(f, &g, &colour::RAIN, &Labels { title: "Rain, blend of all components", time: "valid 2018-12-16 06:00 UTC, +25 min from 05:35 UTC", source: "nowblend 0.1.0 · observed by radar · seed 1" }).unwrap();
    println!("{} kB {:?}", png.len() / 1000, t.elapsed());
    std::fs::write(&args[3], png).unwrap();
    let p = f.mapv(|r| 1.0 - (-r / 3.0).exp());
    let png = map(p.view(), &g, &colour::PROBABILITY, &Labels { title: "Probability of rain ≥ 1 mm/h", time: "valid 2018-12-16 06:00 UTC, +25 min", source: "" }).unwrap();
    std::fs::write(args[3].replace(".png", "_p.png"), png).unwrap();
}
