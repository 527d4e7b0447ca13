#![allow(missing_docs)]
use chrono::{TimeZone, Utc};
use ndarray::Array2;
use nowblend::store::*;
use nowblend_field::*;
use std::{path::Path, time::Instant};

fn noise(n: usize, m: usize, seed: u32) -> Array2<f32> {
    Array2::from_shape_fn((n, m), |(y, x)| {
        let mut h = (y as u32).wrapping_mul(0x9E37_79B1) ^ (x as u32).wrapping_mul(0x85EB_CA77) ^ seed;
        h ^= h >> 15; h = h.wrapping_mul(0x2C1B_3C6D); h ^= h >> 12;
        (h & 0xffff) as f32 / 65536.0
    })
}
fn rain(n: usize, k: usize) -> Array2<f32> {
    let e = noise(n, n, k as u32);
    Array2::from_shape_fn((n, n), |(y, x)| {
        let (y, x) = (y as f32 / n as f32 + 0.01 * k as f32, x as f32 / n as f32);
        let f = (9.0 * x + 3.0 * (7.0 * y).sin()).sin() * (8.0 * y + (11.0 * x).cos()).cos() + 0.3 * (40.0 * x * y).sin();
        ((f - 0.35).max(0.0) * 18.0).powf(1.4) * (0.8 + 0.4 * e[[(y * 100.0) as usize % n, (x * n as f32) as usize % n]])
    })
}
fn main() {
    let n = 1024;
    let projection = Projection::parse("+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84 +units=m").unwrap();
    let axis = |first| Axis { first, spacing: 1000.0, count: n };
    let grid = Grid::new(axis(-500_000.0), axis(-400_000.0), projection).unwrap();
    let mut products = vec![Product::rainfall_rate()];
    for c in ["persistence", "extrapolation", "shallow_water", "nowcast_net"] { products.push(Product::rainfall_rate_of(c)); }
    for t in [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0] { products.push(Product::probability(t)); }
    let leads = LeadTime::every(LeadTime::from_minutes(5), 12);
    let header = Header { title: "t".into(), institution: "i".into(), grid, reference_time: Utc.with_ymd_and_hms(2019, 6, 10, 23, 50, 0).unwrap(), lead_times: leads.clone(), products: products.clone(), lon_lat: true,
        provenance: Provenance { config_toml: "a = 1\n".repeat(2000), seed: Seed(7), version: "0.1.0".into(), commit: None, inputs: vec![], references: vec!["a".into()], notices: vec![] } };
    let path = Path::new("/tmp/look.nc");
    let t = Instant::now();
    let mut w = Writer::create(path, header).unwrap();
    println!("create {:?}", t.elapsed());
    let (mut spent, mut slices) = (0.0, 0);
    for (k, l) in leads.iter().enumerate() {
        for (j, p) in products.iter().enumerate() {
            let f = rain(n, k + j);
            let f = if p.threshold_mm_h.is_some() { f.mapv(|r| 1.0 - (-r / 5.0).exp()) } else { f };
            let t = Instant::now();
            w.push(*l, &p.name, f.view()).unwrap();
            spent += t.elapsed().as_secs_f64(); slices += 1;
        }
    }
    let t = Instant::now();
    w.finish().unwrap();
    println!("push {spent:.2} s for {slices}, finish {:?}, {} MB", t.elapsed(), std::fs::metadata(path).unwrap().len() / 1_000_000);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
