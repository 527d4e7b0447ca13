//! A researcher asks how good the network is on radars that it never saw.

use crate::{stories::hindcast::write_archive, support};

const CONFIG: &str = r#"
[folds]
folder = "folds"
against = [{ component = "extrapolation", score = "threshold_crps" }]

[[folds.train.events]]
file = "a1.nc"
provider = "a"
[[folds.train.events]]
file = "b1.nc"
provider = "b"
[[folds.train.validation]]
file = "a2.nc"
provider = "a"
[[folds.train.validation]]
file = "b2.nc"
provider = "b"

[folds.train.recipe]
steps = 2
batch = 1
warmup = 1
validation_starts = 1

[folds.hindcast]
lead_min = [15, 30]
starts = { kind = "spread", count = 2 }

[folds.hindcast.metrics]
margin_cells = 12

[folds.hindcast.forecaster]
kind = "nowcast_net"
"#;

#[test]
fn each_provider_is_left_out_once_and_the_table_says_how_the_network_did_there() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, name) in ["a1", "a2", "b1", "b2"].into_iter().enumerate() {
        write_archive(&folder.path().join(format!("{name}.nc")), seed as u64, |_, rain| rain);
    }
    std::fs::write(folder.path().join("folds.toml"), CONFIG).unwrap();
    let made = support::nowblend(folder.path(), &["folds", "--config", "folds.toml"]);
    assert!(made.ok(), "{}", made.err);
    let table = std::fs::read_to_string(folder.path().join("folds/folds.md")).unwrap();
    for start in ["| all | extrapolation |", "| a | extrapolation |", "| b | extrapolation |"] {
        assert!(table.contains(start), "{start} is not in\n{table}");
    }
    // Two events of two starts each for a provider.
    assert!(table.contains("(8) |") && table.contains("(4) |"), "{table}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("folds/folds.json")).unwrap()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3 * 2);
    // Weights of one fold know nothing of the provider left out.
    let weights = std::fs::read(folder.path().join("folds/a/training/model.safetensors")).unwrap();
    let (length, rest) = weights.split_first_chunk::<8>().unwrap();
    let header: serde_json::Value = serde_json::from_slice(&rest[..u64::from_le_bytes(*length) as usize]).unwrap();
    let origin = header["__metadata__"]["origin"].as_str().unwrap();
    assert!(origin.contains("\"b1\"") && !origin.contains("\"a1\""), "{origin}");

    // Once more: nothing is done again, and the table is the same.
    let again = support::nowblend(folder.path(), &["folds", "--config", "folds.toml"]);
    assert!(again.ok() && std::fs::read_to_string(folder.path().join("folds/folds.md")).unwrap() == table);

    std::fs::write(
        folder.path().join("folds.toml"),
        CONFIG.replace("provider = \"a\"\n[[folds.train.events]]", "[[folds.train.events]]"),
    )
    .unwrap();
    support::nowblend(folder.path(), &["folds", "--config", "folds.toml"]).refuses(&["a1.nc", "provider"]);
}
