//! The CF conventions: times, coordinates, map projection and provenance as every tool expects them.
//!
//! # Source
//!
//! Eaton, B. et al., 2023: NetCDF Climate and Forecast (CF) Metadata Conventions, version 1.11: sections 4 (coordinates), 5.6 and
//! appendix F (grid mappings and `crs_wkt`), 2.6.2 (description of file contents), 3.5 (flags), 6.1 (ensemble members), 7.1 (bounds), 7.3
//! (cell methods), 8.1 (packed data). CF has no name for a probability of exceedance: names and attributes of those follow IMPROVER
//! (Roberts, N. et al., 2023, Bull. Amer. Meteor. Soc., 104, E680-E697, doi:10.1175/BAMS-D-21-0273.1), whose tools then read them.

use nowblend_field::{Grid, LeadTime};

use super::{
    Header, Packing, Product, Provenance,
    grid_mapping::GridMapping,
    layout::{Layout, Value, Values, Variable},
    product::{Along, LIMITED, MISSING},
    wkt::wkt,
};

/// What is known only when the forecast is done.
pub(super) struct Closing<'a> {
    pub(super) notices: String,
    pub(super) findings: Option<&'a str>,
}

pub(super) const EPOCH: &str = "seconds since 1970-01-01 00:00:00";

/// All that the file says but the planes of its products.
pub(super) fn lay_out(header: &Header, closing: &Closing<'_>) -> Layout {
    let (ny, nx) = header.grid.shape();
    let mut layout = Layout {
        dimensions: vec![
            ("time".to_owned(), header.lead_times.len()),
            ("y".to_owned(), ny),
            ("x".to_owned(), nx),
        ],
        attributes: describe(header, closing),
        variables: Vec::new(),
    };
    times(&mut layout, header);
    for (name, values, axis) in [("y", header.grid.y.centres(), "Y"), ("x", header.grid.x.centres(), "X")] {
        let variable = Variable::new(name, &[name], Values::F64(values));
        layout.variables.push(variable.texts(&coordinate(&header.grid, axis)));
    }
    layout.variables.push(map(&header.grid));
    if header.holds_lon_lat() {
        for (name, standard_name, units) in [("lon", "longitude", "degrees_east"), ("lat", "latitude", "degrees_north")] {
            let variable = Variable::new(name, &["y", "x"], Values::Planes(super::layout::Element::F64));
            layout
                .variables
                .push(variable.texts(&[("standard_name", standard_name), ("units", units)]));
        }
    }
    layers(&mut layout, header);
    for product in &header.products {
        let variable = product_variable(product, header);
        layout.variables.push(variable);
    }
    layout
}

/// Valid times, when the forecast started, how far ahead; for amounts once more, with the times at which each begins and ends.
fn times(layout: &mut Layout, header: &Header) {
    let reference_s = header.reference_time.timestamp();
    let seconds = |leads: &[LeadTime]| leads.iter().map(|l| i64::from(l.seconds())).collect::<Vec<i64>>();
    let valid = |leads: &[i64]| leads.iter().map(|l| reference_s + l).collect::<Vec<i64>>();
    let time = [
        ("standard_name", "time"),
        ("long_name", "valid time"),
        ("units", EPOCH),
        ("calendar", "standard"),
        ("units_metadata", "leap_seconds: none"),
        ("axis", "T"),
    ];
    let period = [("standard_name", "forecast_period"), ("long_name", "lead time"), ("units", "s")];

    let lead_s = seconds(&header.lead_times);
    layout
        .variables
        .push(Variable::new("time", &["time"], Values::I64(valid(&lead_s))).texts(&time));
    let reference = Variable::new("forecast_reference_time", &[], Values::I64(vec![reference_s])).texts(&[
        ("standard_name", "forecast_reference_time"),
        ("long_name", "time of the newest observation"),
        ("units", EPOCH),
        ("calendar", "standard"),
        ("units_metadata", "leap_seconds: none"),
    ]);
    layout.variables.push(reference);
    layout
        .variables
        .push(Variable::new("forecast_period", &["time"], Values::I64(lead_s)).texts(&period));

    let windows = header.windows_min();
    if !windows.is_empty() {
        layout.dimensions.push(("bounds".to_owned(), 2));
    }
    for window in windows {
        let lead_s = seconds(&header.amount_leads(window));
        let (time_name, period_name) = (time_of(Some(window)), period_of(Some(window)));
        let bounds: Vec<i64> = lead_s.iter().flat_map(|l| [l - 60 * i64::from(window), *l]).collect();
        layout.dimensions.push((time_name.clone(), lead_s.len()));
        for (name, values, bounds, words) in [
            (&time_name, valid(&lead_s), valid(&bounds), time.as_slice()),
            (&period_name, lead_s, bounds, period.as_slice()),
        ] {
            let bounds_name = format!("{name}_bounds");
            let variable = Variable::new(name, &[&time_name], Values::I64(values)).texts(words);
            layout.variables.push(variable.texts(&[("bounds", &bounds_name)]));
            layout
                .variables
                .push(Variable::new(&bounds_name, &[&time_name, "bounds"], Values::I64(bounds)));
        }
    }
}

/// Numbers of the members and the thresholds of rates and amounts, where products have them.
fn layers(layout: &mut Layout, header: &Header) {
    let has = |along: Along, amount: bool| header.products.iter().any(|p| p.along == along && p.window_min.is_some() == amount);
    if has(Along::Members, false) {
        let numbers: Vec<i32> = (0..header.members as i32).collect();
        layout.dimensions.push(("realization".to_owned(), numbers.len()));
        let variable = Variable::new("realization", &["realization"], Values::I32(numbers));
        let words = [
            ("standard_name", "realization"),
            ("long_name", "number of the member"),
            ("units", "1"),
        ];
        layout.variables.push(variable.texts(&words));
    }
    for (amount, values, standard_name, units) in [
        (false, &header.thresholds_mm_h, "rainfall_rate", "mm h-1"),
        (true, &header.thresholds_mm, "thickness_of_rainfall_amount", "mm"),
    ] {
        if has(Along::Thresholds, amount) {
            let name = threshold_of(amount);
            layout.dimensions.push((name.to_owned(), values.len()));
            let variable = Variable::new(name, &[name], Values::F64(values.clone())).texts(&[
                ("standard_name", standard_name),
                ("long_name", "threshold, counted as exceeded when reached"),
                ("units", units),
                ("spp__relative_to_threshold", "greater_than_or_equal_to"),
            ]);
            layout.variables.push(variable);
        }
    }
}

/// Name of the time dimension of a rate or an amount.
pub(super) fn time_of(window_min: Option<u32>) -> String {
    window_min.map_or_else(|| "time".to_owned(), |w| format!("time_{w}min"))
}

fn period_of(window_min: Option<u32>) -> String {
    window_min.map_or_else(|| "forecast_period".to_owned(), |w| format!("forecast_period_{w}min"))
}

/// Name of the threshold dimension of rates or amounts.
pub(super) fn threshold_of(amount: bool) -> &'static str {
    if amount { "threshold_amount" } else { "threshold" }
}

/// Global attributes: what the file is and where it comes from.
fn describe(header: &Header, closing: &Closing<'_>) -> Vec<(String, Value)> {
    let from = &header.provenance;
    let reference_time = header.reference_time.format("%Y-%m-%dT%H:%M:%SZ");
    let history = format!(
        "rain from {reference_time} forecast by {} with seed {}",
        from.program(),
        from.seed.0
    );
    let inputs = serde_json::to_string(&from.inputs).expect("names, sizes and sums are always JSON");
    let attributes = [
        ("Conventions", "CF-1.11".to_owned()),
        ("title", header.title.clone()),
        ("institution", header.institution.clone()),
        (
            "source",
            format!(
                "{}: blend of radar extrapolation, a physical core and a learned model",
                from.program()
            ),
        ),
        ("history", history),
        ("references", from.references.join("\n")),
        ("nowblend_version", from.version.clone()),
        ("nowblend_commit", from.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("nowblend_seed", from.seed.0.to_string()),
        ("nowblend_configuration", from.config_toml.clone()),
        ("nowblend_inputs", inputs),
        ("nowblend_notices", closing.notices.clone()),
        ("nowblend_findings", closing.findings.unwrap_or("[]").to_owned()),
    ];
    texts(attributes)
}

/// Where a file of observations or states comes from, for its global attributes.
pub(super) fn origin(from: &Provenance) -> [(&'static str, String); 6] {
    [
        ("references", from.references.join("\n")),
        ("nowblend_version", from.version.clone()),
        ("nowblend_commit", from.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("nowblend_configuration", from.config_toml.clone()),
        (
            "nowblend_inputs",
            serde_json::to_string(&from.inputs).expect("names, sizes and sums are always JSON"),
        ),
        (
            "nowblend_notices",
            serde_json::to_string(&from.notices).expect("notices are always JSON"),
        ),
    ]
}

/// Texts as attributes, without the bytes that end a text in C.
pub(super) fn texts(attributes: impl IntoIterator<Item = (&'static str, String)>) -> Vec<(String, Value)> {
    let attribute = |(name, text): (&str, String)| (name.to_owned(), Value::Text(text.replace('\0', " ")));
    attributes.into_iter().map(attribute).collect()
}

fn product_variable(product: &Product, header: &Header) -> Variable {
    let time = time_of(product.window_min);
    let mut dimensions = Vec::new();
    match product.along {
        Along::Nothing => {}
        Along::Members => dimensions.push("realization"),
        Along::Thresholds => dimensions.push(threshold_of(product.window_min.is_some())),
    }
    dimensions.extend([time.as_str(), "y", "x"]);
    let mut variable = Variable::new(&product.name, &dimensions, Values::Planes(product.packing.element()));
    let period = period_of(product.window_min);
    let mut coordinates = format!("{period} forecast_reference_time");
    if header.holds_lon_lat() {
        coordinates.push_str(" lon lat");
    }
    let words = [
        ("long_name", Some(product.long_name.as_str())),
        ("standard_name", product.standard_name.as_deref()),
        ("units", product.units.as_deref()),
        ("cell_methods", product.cell_methods.as_deref()),
        ("grid_mapping", Some("crs")),
        ("coordinates", Some(&coordinates)),
    ];
    for (name, text) in words {
        if let Some(text) = text {
            variable = variable.texts(&[(name, text)]);
        }
    }
    match product.packing {
        Packing::Float => {
            let flagged = *product == Product::rainfall_rate() || *product == Product::ensemble_mean();
            let flags = Product::flags().name;
            if flagged && header.products.iter().any(|p| p.name == flags) {
                variable = variable.texts(&[("ancillary_variables", &flags)]);
            }
            variable
        }
        Packing::Steps { step } => variable
            .with("scale_factor", Value::Floats(vec![step as f32]))
            .with("add_offset", Value::Floats(vec![0.0])),
        Packing::Flags => variable
            .with("flag_masks", Value::U8s(vec![MISSING, LIMITED]))
            .texts(&[("flag_meanings", "missing limited")]),
    }
}

/// The map projection: well-known text always, for CF parameters alone cannot say every datum.
pub(super) fn map(grid: &Grid) -> Variable {
    let projection = &grid.projection;
    let mut variable =
        Variable::new("crs", &[], Values::I32(vec![0])).texts(&[("crs_wkt", &wkt(projection)), ("proj4", projection.definition())]);
    if let Some(mapping) = GridMapping::of(projection) {
        variable = variable.texts(&[("grid_mapping_name", mapping.name)]);
        for (name, values) in mapping.parameters {
            variable = variable.with(name, Value::Doubles(values));
        }
    }
    variable
}

pub(super) fn coordinate(grid: &Grid, axis: &'static str) -> [(&'static str, &'static str); 4] {
    let (standard_name, long_name, units) = match (axis, grid.projection.is_geographic()) {
        ("X", true) => ("longitude", "longitude of cell centre", "degrees_east"),
        ("X", false) => ("projection_x_coordinate", "x of cell centre on the map", "m"),
        (_, true) => ("latitude", "latitude of cell centre", "degrees_north"),
        (_, false) => ("projection_y_coordinate", "y of cell centre on the map", "m"),
    };
    [
        ("standard_name", standard_name),
        ("long_name", long_name),
        ("units", units),
        ("axis", axis),
    ]
}
