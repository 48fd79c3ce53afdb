//! How a run is shown: terminal, JSON, HTML, HdrHistogram log.
//!
//! Shape: [`figures::Figures`] is the run in numbers; the other files only write it down. Units:
//! as the names say. Errors: those of writing. Source: docs/load-testing.md.

pub mod figures;
pub mod hlog;
pub mod html;
pub mod terminal;
