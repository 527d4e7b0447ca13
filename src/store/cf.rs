//! The CF conventions: times, coordinates, map projection and provenance as every tool expects them.
//!
//! # Source
//!
//! Eaton, B. et al., 2023: NetCDF Climate and Forecast (CF) Metadata Conventions, version 1.11: sections 4 (coordinates), 5.6 and
//! appendix F (grid mappings and `crs_wkt`), 2.6.2 (description of file contents), 8.1 (packed data).

use netcdf_writer::{Error as NcError, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions, VariableId};
use nowblend_field::Grid;

use super::{
    Header, Packing, Product,
    chunks::{LEVEL, Tiled},
    grid_mapping::GridMapping,
    wkt::wkt,
};

/// Texts beyond this go into strings of variable length, for an attribute of fixed length ends at 64 KiB.
const LONG_TEXT: usize = 4096;

/// What is known only when the forecast is done.
pub(super) struct Closing<'a> {
    pub(super) notices: String,
    pub(super) findings: Option<&'a str>,
}

/// The file as the NetCDF library lays it out: all but the values of products and of longitude and latitude.
pub(super) fn lay_out(header: &Header, closing: &Closing<'_>) -> Result<Vec<u8>, NcError> {
    let mut file = NcFileBuilder::new();
    describe(&mut file, header, closing)?;
    let (ny, nx) = header.grid.shape();
    let time = file.add_dimension("time", header.lead_times.len() as u64)?;
    let y = file.add_dimension("y", ny as u64)?;
    let x = file.add_dimension("x", nx as u64)?;

    let lead_s: Vec<i64> = header.lead_times.iter().map(|l| i64::from(l.seconds())).collect();
    let reference_s = header.reference_time.timestamp();
    let epoch = "seconds since 1970-01-01 00:00:00";

    let variable = file.add_variable::<i64>("time", &[time])?;
    file.write_variable(variable, &lead_s.iter().map(|l| reference_s + l).collect::<Vec<_>>())?;
    let attributes = [
        ("standard_name", "time"),
        ("long_name", "valid time"),
        ("units", epoch),
        ("calendar", "standard"),
        ("units_metadata", "leap_seconds: none"),
        ("axis", "T"),
    ];
    texts(&mut file, variable, &attributes)?;

    for (name, values, axis) in [("y", header.grid.y.centres(), "Y"), ("x", header.grid.x.centres(), "X")] {
        let variable = file.add_variable::<f64>(name, &[if axis == "Y" { y } else { x }])?;
        file.write_variable(variable, &values)?;
        texts(&mut file, variable, &coordinate(&header.grid, axis))?;
    }

    let variable = file.add_variable::<i64>("forecast_reference_time", &[])?;
    file.write_variable(variable, &[reference_s])?;
    let attributes = [
        ("standard_name", "forecast_reference_time"),
        ("long_name", "time of the newest observation"),
        ("units", epoch),
        ("calendar", "standard"),
        ("units_metadata", "leap_seconds: none"),
    ];
    texts(&mut file, variable, &attributes)?;

    let variable = file.add_variable::<i64>("forecast_period", &[time])?;
    file.write_variable(variable, &lead_s)?;
    let attributes = [("standard_name", "forecast_period"), ("long_name", "lead time"), ("units", "s")];
    texts(&mut file, variable, &attributes)?;

    map(&mut file, &header.grid)?;
    if header.holds_lon_lat() {
        for (name, units) in [("lon", "degrees_east"), ("lat", "degrees_north")] {
            let variable = file.add_variable::<f64>(name, &[y, x])?;
            tiled(&mut file, variable, 0, header)?;
            file.set_variable_fill_value(variable, f64::NAN)?;
            let standard_name = if name == "lon" { "longitude" } else { "latitude" };
            texts(&mut file, variable, &[("standard_name", standard_name), ("units", units)])?;
        }
    }
    for product in &header.products {
        let variable = match product.packing {
            Packing::Float => file.add_variable::<f32>(&product.name, &[time, y, x])?,
            Packing::Steps { .. } => file.add_variable::<u16>(&product.name, &[time, y, x])?,
        };
        tiled(&mut file, variable, 1, header)?;
        describe_product(&mut file, variable, product, header)?;
    }
    let format = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    file.to_vec(format).map(|(_, bytes)| bytes)
}

fn tiled(file: &mut NcFileBuilder, variable: VariableId, leading: usize, header: &Header) -> Result<(), NcError> {
    file.set_variable_chunking(variable, Tiled::tile_shape(leading, header.grid.shape()))?;
    file.set_variable_deflate(variable, Some(LEVEL), true)
}

/// Global attributes: what the file is and where it comes from.
fn describe(file: &mut NcFileBuilder, header: &Header, closing: &Closing<'_>) -> Result<(), NcError> {
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
    global(file, attributes)
}

/// Global attributes; long ones as strings of variable length.
pub(super) fn global(file: &mut NcFileBuilder, attributes: impl IntoIterator<Item = (&'static str, String)>) -> Result<(), NcError> {
    for (name, text) in attributes {
        let text = text.replace('\0', " ");
        let value = if text.len() > LONG_TEXT {
            NcAttrValue::Strings(vec![text])
        } else {
            NcAttrValue::Chars(text)
        };
        file.add_attribute(name, value)?;
    }
    Ok(())
}

fn describe_product(file: &mut NcFileBuilder, variable: VariableId, product: &Product, header: &Header) -> Result<(), NcError> {
    texts(file, variable, &[("long_name", &product.long_name)])?;
    if let Some(name) = &product.standard_name {
        texts(file, variable, &[("standard_name", name)])?;
    }
    if let Some(units) = &product.units {
        texts(file, variable, &[("units", units)])?;
    }
    if let Some(threshold) = product.threshold_mm_h {
        file.add_variable_attribute(variable, "threshold_mm_h", NcAttrValue::Doubles(vec![threshold]))?;
    }
    match product.packing {
        Packing::Float => file.set_variable_fill_value(variable, f32::NAN)?,
        Packing::Steps { step } => {
            file.set_variable_fill_value(variable, u16::MAX)?;
            file.add_variable_attribute(variable, "scale_factor", NcAttrValue::Floats(vec![step as f32]))?;
            file.add_variable_attribute(variable, "add_offset", NcAttrValue::Floats(vec![0.0]))?;
        }
    }
    let coordinates = if header.holds_lon_lat() {
        "forecast_period forecast_reference_time lon lat"
    } else {
        "forecast_period forecast_reference_time"
    };
    texts(file, variable, &[("grid_mapping", "crs"), ("coordinates", coordinates)])
}

/// The map projection: well-known text always, for CF parameters alone cannot say every datum.
pub(super) fn map(file: &mut NcFileBuilder, grid: &Grid) -> Result<(), NcError> {
    let projection = &grid.projection;
    let variable = file.add_variable::<i32>("crs", &[])?;
    file.write_variable(variable, &[0])?;
    texts(file, variable, &[("crs_wkt", &wkt(projection)), ("proj4", projection.definition())])?;
    let Some(mapping) = GridMapping::of(projection) else {
        return Ok(());
    };
    texts(file, variable, &[("grid_mapping_name", mapping.name)])?;
    for (name, values) in mapping.parameters {
        file.add_variable_attribute(variable, name, NcAttrValue::Doubles(values))?;
    }
    Ok(())
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

pub(super) fn texts(file: &mut NcFileBuilder, variable: VariableId, attributes: &[(&str, &str)]) -> Result<(), NcError> {
    for (name, text) in attributes {
        file.add_variable_attribute(variable, *name, NcAttrValue::Chars((*text).to_owned()))?;
    }
    Ok(())
}
