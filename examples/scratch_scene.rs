//! scratch
use nowblend::demo::{SceneConfig, write_scene};
use nowblend_field::Seed;
fn main() {
    for seed in [1u64, 2, 3] {
        let t = std::time::Instant::now();
        let d = std::path::PathBuf::from(format!("/tmp/scene/{seed}"));
        println!("{:?} {:?}", write_scene(&d, &SceneConfig::new(Seed(seed))).unwrap(), t.elapsed());
    }
}
