//! One HTML file with the charts of a run; it fetches nothing.
//!
//! What it is: a page of our own and its script, the style that the page of the simulator has too,
//! with the run's figures inside. Shape: figures in, text out. Errors: none. The figures stand in a
//! JSON block, in which `<` is written as an escape, so that no text of theirs ends the block.
//! Source: HTML Living Standard, "Restrictions for contents of script elements".

use crate::report::figures::Figures;

const PAGE: &str = include_str!("page.html");
/// The rules of style, those of the page behind them.
const STYLE: &str = include_str!("page.css");
/// Where they go.
const STYLE_PLACE: &str = "/*STYLE*/";
/// Where the figures go.
const PLACE: &str = "/*FIGURES*/";

/// The page of a run.
#[must_use]
pub fn page(figures: &Figures) -> String {
    let json = serde_json::to_string(figures).unwrap_or_default();
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
        for word in ["http://", "https://", "src=", "@import", "url("] {
            let uses = page
                .replace("http://www.w3.org/2000/svg", "")
                .matches(word)
                .count();
            assert_eq!(uses, 0, "{word}");
        }
    }
}
