//! The program.
fn main() {
    let config: nowblend::train::TrainRunConfig = toml::from_str(&std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap()).unwrap();
    match nowblend::train::run(&config, nowblend_field::Seed(1), false) {
        Ok(path) => println!("{}", path.display()),
        Err(e) => eprintln!("error: {e}"),
    }
}
