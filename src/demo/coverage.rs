//! What the simulated radars see: circles around four sites, one with a mountain in its way.

/// A radar: where it stands (m east, m north of the centre) and how far it sees (m).
struct Site {
    place: [f64; 2],
    range_m: f64,
}

/// Whether any radar of a map `width_m` wide sees a place (m east, m north of the centre).
///
/// The far corners of the north-east and the south-west lie beyond every range, and a sector towards the south-east is hidden behind a mountain.
pub(super) fn seen(place: [f64; 2], width_m: f64) -> bool {
    let site = |x: f64, y: f64, range: f64| Site {
        place: [x * width_m, y * width_m],
        range_m: range * width_m,
    };
    let sites = [
        site(-0.27, 0.25, 0.40),
        site(-0.15, -0.18, 0.40),
        site(0.15, 0.10, 0.39),
        site(0.33, -0.30, 0.27),
    ];
    let hidden = |site: &Site| {
        let (dx, dy) = (place[0] - site.place[0], place[1] - site.place[1]);
        let direction = dy.atan2(dx).to_degrees();
        dx.hypot(dy) > 0.07 * width_m && (-66.0..-56.0).contains(&direction)
    };
    sites.iter().enumerate().any(|(k, site)| {
        let near = (place[0] - site.place[0]).hypot(place[1] - site.place[1]) <= site.range_m;
        // The mountain stands before the last site.
        near && (k != 3 || !hidden(site))
    })
}
