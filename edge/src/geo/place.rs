//! Places on earth.
//!
//! What it is: the list of cities that scenarios name. Shape: rows of a table with a header line:
//! `city,lat,lon,population_m` and, where prices differ, `zone`; lines that begin with `#` are
//! comments. Units: degrees, millions of people. Ranges: latitudes of -90 to 90, longitudes of -180
//! to 180. Errors: text with the number of the line. Source: general geographic knowledge.

/// A city.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// Its name, spaces as underscores.
    pub name: String,
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
    /// People who live there.
    pub population_m: f64,
    /// Where prices are alike; empty when nobody said.
    pub zone: String,
}

/// Reads a table of places.
///
/// # Errors
/// The line that cannot be read, and why.
pub fn read_places(text: &str) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for (number, line) in rows(text).skip(1) {
        let place = read_place(line).map_err(|why| format!("line {number}: {why}"))?;
        if places.iter().any(|other| other.name == place.name) {
            return Err(format!("line {number}: {} stands there twice", place.name));
        }
        places.push(place);
    }
    if places.is_empty() {
        return Err("there is no place in it".to_owned());
    }
    Ok(places)
}

/// The lines of a table that are no comments, with their numbers.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read_place(line: &str) -> Result<Place, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let (name, lat, lon, population, zone) = match fields[..] {
        [name, lat, lon, population] => (name, lat, lon, population, ""),
        [name, lat, lon, population, zone] => (name, lat, lon, population, zone),
        _ => return Err("a place has four or five fields".to_owned()),
    };
    let number = |text: &str, most: f64| match text.parse::<f64>() {
        Ok(value) if value.abs() <= most => Ok(value),
        _ => Err(format!("{text:?} is no number of up to {most}")),
    };
    if name.is_empty() {
        return Err("a place needs a name".to_owned());
    }
    Ok(Place {
        name: name.to_owned(),
        lat: number(lat, 90.0)?,
        lon: number(lon, 180.0)?,
        population_m: number(population, 100.0)?,
        zone: zone.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_or_refused_with_the_line() {
        // text, what comes of it
        let rows: &[(&str, &str)] = &[
            ("city,lat,lon,population_m\nA,1,2,3\n", "1"),
            ("# c\nh\nA,1,2,3,EU\n\nB_C,-90,180,0.5\n", "2"),
            ("h\n", "there is no place in it"),
            ("h\nA,1,2\n", "line 2: a place has four or five fields"),
            ("h\nA,91,2,3\n", "line 2: \"91\" is no number of up to 90"),
            ("h\nA,x,2,3\n", "line 2: \"x\" is no number of up to 90"),
            ("h\nA,1,2,3\nA,1,2,3\n", "line 3: A stands there twice"),
            ("h\n,1,2,3\n", "line 2: a place needs a name"),
        ];
        for (text, expected) in rows {
            let found = match read_places(text) {
                Ok(places) => places.len().to_string(),
                Err(why) => why,
            };
            assert_eq!(found, *expected, "{text:?}");
        }
    }
}
