//! The report as one HTML file that fetches nothing.
//!
//! What it is: a page of our own, with its script and a coarse map, the style that it shares with the
//! page of the load generator, and the report inside.
//! Shape: a report in, text out. Units: the report's. Errors: none; what cannot be written as JSON
//! is an empty page. The report stands in a JSON block, in which `<` is written as an escape, so that
//! no text of a scenario ends the block. Source: HTML Living Standard, "Restrictions for contents of
//! script elements"; the outlines of land are drawn by hand, to some degrees.

use tidegate_edge::geo::Report;

const PAGE: &str = include_str!("page.html");
/// The rules of style, those of the page behind them.
const STYLE: &str = include_str!("../../loadtest/src/report/page.css");
/// Where they go.
const STYLE_PLACE: &str = "/*STYLE*/";
/// Where the report goes.
const PLACE: &str = "/*REPORT*/";

/// The page of a report.
#[must_use]
pub fn page(report: &Report) -> String {
    let json = serde_json::to_string(report).unwrap_or_default();
    let page = PAGE.replace(STYLE_PLACE, STYLE);
    page.replace(PLACE, &json.replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_place_and_fetches_nothing() {
        let page = PAGE.replace(STYLE_PLACE, STYLE);
        for place in [PLACE, STYLE_PLACE] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
            assert!(!STYLE.contains(place), "{place}");
        }
        let own = page.replace("http://www.w3.org/2000/svg", "");
        for word in [
            "http://", "https://", "src=", "@import", "url(", "fetch(", "XMLHttp",
        ] {
            // The one frame of the map names itself.
            let most = usize::from(word == "url(");
            assert!(own.matches(word).count() <= most, "{word}");
        }
    }
}
