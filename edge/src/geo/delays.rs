//! From distances to delays.
//!
//! What it is: the round trip between two places. Where it was measured, that is taken, the mean of
//! both directions; elsewhere a base and the great circle with a stretch, both fitted to what was
//! measured by least squares of relative errors. Shape: [`RttTable`] as read, [`Delays`] as used.
//! Units: kilometres, milliseconds. Errors: text with the number of the line.
//! Source: light in fibre travels 200 km in a millisecond; the haversine formula.

use super::{
    place::{Place, rows},
    result::{Fit, Residual},
};
use crate::base::text::counted;

/// Round trips that were measured.
#[derive(Clone, PartialEq, Debug)]
pub struct RttTable {
    names: Vec<String>,
    /// By row and column.
    rtt_ms: Vec<Vec<f64>>,
}

impl RttTable {
    /// Reads a square table: `from` and the names in the first line, then a line for each.
    ///
    /// # Errors
    /// The line that cannot be read, and why.
    pub fn read(text: &str) -> Result<RttTable, String> {
        let mut lines = rows(text);
        let (_, header) = lines.next().ok_or("there is nothing in it")?;
        let names: Vec<String> = header
            .split(',')
            .skip(1)
            .map(|n| n.trim().to_owned())
            .collect();
        let mut rtt_ms = Vec::new();
        for (number, line) in lines {
            let mut fields = line.split(',').map(str::trim);
            let expected = names.get(rtt_ms.len());
            if fields.next() != expected.map(String::as_str) {
                return Err(format!(
                    "line {number}: rows stand in the order of the columns"
                ));
            }
            let row: Result<Vec<f64>, _> = fields.map(str::parse).collect();
            match row {
                Ok(row) if row.len() == names.len() && row.iter().all(|ms| *ms >= 0.0) => {
                    rtt_ms.push(row);
                }
                _ => {
                    return Err(format!(
                        "line {number} needs {}",
                        counted(names.len(), "number")
                    ));
                }
            }
        }
        if rtt_ms.len() != names.len() {
            return Err("there are fewer rows than columns".to_owned());
        }
        Ok(RttTable { names, rtt_ms })
    }

    /// The mean of both directions.
    fn between(&self, from: &str, to: &str) -> Option<f64> {
        let place = |name: &str| self.names.iter().position(|other| other == name);
        let (from, to) = (place(from)?, place(to)?);
        let one = self.rtt_ms.get(from)?.get(to)?;
        let other = self.rtt_ms.get(to)?.get(from)?;
        Some(f64::midpoint(*one, *other)).filter(|ms| *ms > 0.0)
    }
}

/// Round trips between all places.
#[derive(Clone, Debug)]
pub(super) struct Delays {
    rtt_ms: Vec<Vec<f64>>,
    /// How they came about.
    pub(super) fit: Fit,
}

impl Delays {
    /// Fits `table` and fills in what it does not have of `places`.
    pub(super) fn new(places: &[Place], table: &RttTable) -> Delays {
        let fit = fit(places, table);
        let between = |from: &Place, to: &Place| {
            if from.name == to.name {
                return SAME_CITY_MS;
            }
            let measured = table.between(&from.name, &to.name);
            measured.unwrap_or_else(|| fitted_ms(&fit, distance_km(from, to)))
        };
        let row = |from: &Place| places.iter().map(|to| between(from, to)).collect();
        let rtt_ms = places.iter().map(row).collect();
        Delays { rtt_ms, fit }
    }

    /// Between the places of these indices.
    pub(super) fn rtt_ms(&self, from: usize, to: usize) -> f64 {
        let row = self.rtt_ms.get(from);
        row.and_then(|row| row.get(to)).copied().unwrap_or(0.0)
    }
}

fn fitted_ms(fit: &Fit, distance_km: f64) -> f64 {
    fit.base_ms + fit.stretch * distance_km / FIBRE_RTT_KM_PER_MS
}

fn fit(places: &[Place], table: &RttTable) -> Fit {
    let mut residuals = Vec::new();
    for (index, from) in places.iter().enumerate() {
        for to in places.iter().skip(index + 1) {
            let Some(measured_ms) = table.between(&from.name, &to.name) else {
                continue;
            };
            residuals.push(Residual {
                from: from.name.clone(),
                to: to.name.clone(),
                distance_km: distance_km(from, to),
                measured_ms,
                fitted_ms: 0.0,
            });
        }
    }
    // Weighted by the inverse square of what was measured, so that relative errors count.
    let weight = |row: &Residual| row.measured_ms.powi(-2);
    let sum = |value: fn(&Residual) -> f64| {
        residuals
            .iter()
            .map(|row| weight(row) * value(row))
            .sum::<f64>()
    };
    let (w, x, y) = (sum(|_| 1.0), sum(|r| r.distance_km), sum(|r| r.measured_ms));
    let (xx, xy) = (
        sum(|row| row.distance_km * row.distance_km),
        sum(|row| row.distance_km * row.measured_ms),
    );
    let spread = w * xx - x * x;
    let (mut base_ms, mut per_km) = (BASE_MS_UNKNOWN, STRETCH_UNKNOWN / FIBRE_RTT_KM_PER_MS);
    if spread > 0.0 {
        per_km = (w * xy - x * y) / spread;
        base_ms = ((y - per_km * x) / w).max(0.0);
    }
    let mut fit = Fit {
        base_ms,
        stretch: per_km * FIBRE_RTT_KM_PER_MS,
        median_error: 0.0,
        residuals,
    };
    let mut errors = Vec::new();
    for index in 0..fit.residuals.len() {
        let fitted = fitted_ms(&fit, fit.residuals[index].distance_km);
        let row = &mut fit.residuals[index];
        row.fitted_ms = fitted;
        errors.push((fitted - row.measured_ms).abs() / row.measured_ms);
    }
    errors.sort_by(f64::total_cmp);
    fit.median_error = errors.get(errors.len() / 2).copied().unwrap_or(0.0);
    fit
}

/// Along the great circle.
#[must_use]
pub fn distance_km(from: &Place, to: &Place) -> f64 {
    let (lat, to_lat) = (from.lat.to_radians(), to.lat.to_radians());
    let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
    let lon = half(from.lon.to_radians(), to.lon.to_radians());
    let chord = half(lat, to_lat) + lat.cos() * to_lat.cos() * lon;
    2.0 * EARTH_KM * chord.sqrt().min(1.0).asin()
}

const EARTH_KM: f64 = 6_371.008_8;
/// Light in fibre, there and back.
const FIBRE_RTT_KM_PER_MS: f64 = 100.0;
/// Two hosts of one city.
const SAME_CITY_MS: f64 = 1.0;
/// Without measurements.
const BASE_MS_UNKNOWN: f64 = 4.0;
const STRETCH_UNKNOWN: f64 = 1.55;

#[cfg(test)]
mod tests {
    use super::{super::place::read_places, *};

    fn place(name: &str, lat: f64, lon: f64) -> Place {
        Place {
            name: name.to_owned(),
            lat,
            lon,
            population_m: 1.0,
            zone: String::new(),
        }
    }

    #[test]
    fn great_circles() {
        // from, to, kilometres
        let rows = [
            ((0.0, 0.0), (0.0, 180.0), 20_015.1),
            ((0.0, 179.0), (0.0, -179.0), 222.4),
            ((90.0, 0.0), (-90.0, 50.0), 20_015.1),
            ((51.51, -0.13), (50.11, 8.68), 637.9),
            ((1.0, 1.0), (1.0, 1.0), 0.0),
        ];
        for ((a, b), (c, d), expected) in rows {
            let found = distance_km(&place("a", a, b), &place("b", c, d));
            assert!(
                (found - expected).abs() < 1.0,
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_fit_finds_the_line_that_made_the_table() {
        let places = [
            place("A", 0.0, 0.0),
            place("B", 0.0, 30.0),
            place("C", 40.0, 10.0),
        ];
        let rtt = |a: &Place, b: &Place| 5.0 + 1.7 * distance_km(a, b) / 100.0;
        let mut text = "from,A,B,C\n".to_owned();
        for from in &places {
            let row: Vec<String> = (places.iter())
                .map(|to| if from == to { 0.0 } else { rtt(from, to) })
                .map(|ms| ms.to_string())
                .collect();
            text.push_str(&format!("{},{}\n", from.name, row.join(",")));
        }
        let table = RttTable::read(&text).expect("a table");
        let delays = Delays::new(&places, &table);
        assert!((delays.fit.base_ms - 5.0).abs() < 1e-6, "{:?}", delays.fit);
        assert!((delays.fit.stretch - 1.7).abs() < 1e-6, "{:?}", delays.fit);
        assert!(delays.fit.median_error < 1e-9);
        assert_eq!(delays.rtt_ms(1, 1), SAME_CITY_MS);
    }

    #[test]
    fn the_shipped_table_is_fitted_within_the_bound() {
        let places =
            read_places(include_str!("../../../configs/world/places.csv")).expect("places");
        let table = RttTable::read(include_str!("../../../configs/world/rtt.csv")).expect("table");
        let fit = fit(&places, &table);
        assert_eq!(fit.residuals.len(), 45, "every pair of ten places");
        assert!(fit.median_error <= 0.15, "{}", fit.median_error);
        assert!((1.2..2.2).contains(&fit.stretch), "{}", fit.stretch);
    }

    #[test]
    fn tables_are_refused_with_the_line() {
        let rows = [
            ("", "there is nothing in it"),
            ("from,A,B\nA,0,1\n", "there are fewer rows than columns"),
            (
                "from,A,B\nB,0,1\n",
                "line 2: rows stand in the order of the columns",
            ),
            ("from,A,B\nA,0\n", "line 2 needs 2 numbers"),
            ("from,A,B\nA,0,-1\n", "line 2 needs 2 numbers"),
        ];
        for (text, expected) in rows {
            assert_eq!(RttTable::read(text), Err(expected.to_owned()), "{text:?}");
        }
    }
}
