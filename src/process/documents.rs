//! The documents that are being served, for those who want them back.
//!
//! What it is: what was read for the revision that serves, an API by its id. Shape: [`Running`], as
//! the admin socket shows it. Units: wall milliseconds. Errors: none; an id that is not served is
//! not found.

use serde::{Deserialize, Serialize};
use tidegate_edge::base::time::Wall;

use crate::settings::Configuration;

/// One API document as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The API's id.
    pub id: String,
    /// The document's name, from which its format follows.
    pub document: String,
    /// What became of its base path, as the settings say it.
    pub base_path: String,
    /// When it began to serve.
    pub read_at_ms: u64,
    pub text: String,
}

/// Those of a configuration.
pub(super) fn of(configuration: &Configuration, at: Wall) -> Vec<Running> {
    let sources = configuration.settings.apis.iter();
    let read = configuration.apis.iter().zip(sources);
    let running = read.filter_map(|(imported, source)| {
        let document = &imported.document.as_ref()?.source;
        Some(Running {
            id: imported.api.id.clone(),
            document: document.name.clone(),
            base_path: source.base_path.as_str().to_owned(),
            read_at_ms: at.0,
            text: document.text.clone(),
        })
    });
    running.collect()
}
