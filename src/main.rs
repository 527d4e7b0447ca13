//! nowblend
fn main() {}
