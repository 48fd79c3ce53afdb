//! The documents that are being served, for those who want them back.
//!
//! What it is: what was read for the revision that serves, one for each document of an API; a
//! share of requests that a canary serves is left out. Shape: [`Running`], as the admin socket shows
//! it. Units: wall milliseconds. Errors: none; what is not served is not found.

use serde::{Deserialize, Serialize};
use tidegate_edge::base::time::Wall;

use crate::settings::Configuration;

/// One API document as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The API's id.
    pub id: String,
    /// The stages that it serves.
    pub stages: Vec<String>,
    /// The document's name, from which its format follows.
    pub document: String,
    /// What became of its base path, as the settings say it.
    pub base_path: String,
    /// `[account]` of the settings.
    pub account_id: String,
    pub region: String,
    pub partition: String,
    /// When it began to serve.
    pub read_at_ms: u64,
    pub text: String,
}

/// Those of a configuration.
pub(super) fn of(configuration: &Configuration, at: Wall) -> Vec<Running> {
    let account = &configuration.settings.account;
    let mut all: Vec<(usize, Running)> = Vec::new();
    for release in &configuration.releases {
        if let Some((_, known)) = all.iter_mut().find(|(index, _)| *index == release.document) {
            known.stages.push(release.stage.clone());
            continue;
        }
        let imported = configuration.apis.get(release.document);
        let document = imported.and_then(|imported| imported.document.as_ref());
        let settings = configuration.settings.apis.get(release.source);
        if let (Some(imported), Some(document), Some(settings)) = (imported, document, settings) {
            let running = Running {
                id: imported.api.id.clone(),
                stages: vec![release.stage.clone()],
                document: document.source.name.clone(),
                base_path: settings.base_path.as_str().to_owned(),
                account_id: account.id.clone(),
                region: account.region.clone(),
                partition: account.partition.clone(),
                read_at_ms: at.0,
                text: document.source.text.clone(),
            };
            all.push((release.document, running));
        }
    }
    all.into_iter().map(|(_, running)| running).collect()
}

/// The one that `stage` of an API serves, or its first stage.
pub(super) fn find<'r>(all: &'r [Running], id: &str, stage: Option<&str>) -> Option<&'r Running> {
    let serves = |running: &&Running| match stage {
        Some(stage) => running.stages.iter().any(|own| own == stage),
        None => true,
    };
    all.iter().filter(|running| running.id == id).find(serves)
}
