//! A change of what is deployed, tried before it is made.
//!
//! What it is: the configuration is read as it would be behind the change, and compiled; only what
//! compiles is written down. Where a gateway runs, its reload does this with a trial besides
//! (`process/reload.rs`). Shape: [`offline`] for a command on the store's files. Units: none.
//! Errors: [`Refused`] with every problem in its place, and nothing was changed.
//! Source: API Gateway's operations on deployments and stages.

use std::path::Path;

use serde_json::Value;
use tidegate_edge::base::time::Wall;

use crate::{
    diagnostics::{Colour, Problem, Severity},
    files::Files,
    openapi,
    process::{
        Sources,
        load::{self, Loaded},
    },
    store::{
        Store, StoreError,
        deployments::{Change, Deployed, StageChange},
    },
};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The configuration would not compile; the text has every problem in its place.
    #[error("{0}")]
    Configuration(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// The status by which an operator's tool knows the kind.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Refused::Configuration(_) => CONFIGURATION,
            Refused::Store(error) => error.status(),
        }
    }
}

/// The status of a change that would not compile.
pub const CONFIGURATION: u16 = 422;

/// Makes `change` in a store that no gateway has. With the settings of one it must compile there;
/// without, a document must be one that can be served.
///
/// # Errors
/// Nothing was changed.
pub fn offline(
    store: &mut Store,
    config: Option<&Path>,
    change: &StageChange,
    text: &[u8],
    now: Wall,
) -> Result<Value, Refused> {
    let id = Store::deployment_id()?;
    let deployed = store.rehearse(change, (&id, text), now)?;
    match config {
        Some(config) => {
            let sources = Sources {
                config: Some(config.to_owned()),
                ..Sources::default()
            };
            let mut loaded = loaded(&sources, change, &deployed, 1)?;
            check(&mut loaded, change);
            refuse(&loaded)?;
        }
        None => check_document(change, text)?,
    }
    Ok(store.change(change, (&id, text), now)?)
}

/// The configuration as it would be with `deployed`.
///
/// # Errors
/// The values cannot be written down.
pub fn loaded(
    sources: &Sources,
    change: &StageChange,
    deployed: &Deployed,
    revision: u64,
) -> Result<Loaded, Refused> {
    let mut files = Files::on_disk();
    files
        .propose(&change.api, deployed)
        .map_err(Refused::Configuration)?;
    Ok(load::compiled(load::read(sources, files), revision))
}

/// Adds a problem where `change` is about nothing that these settings serve.
pub fn check(loaded: &mut Loaded, StageChange { api, stage, .. }: &StageChange) {
    let settings = &loaded.configuration.settings;
    let source = settings.apis.iter();
    let source = source
        .filter(|source| source.deployed)
        .find(|source| source.id.as_deref() == Some(api));
    let (message, hint) = match source {
        None => (
            format!("the settings have no deployed API `{api}`"),
            format!("add `[[apis]]` with `id = \"{api}\"` and `deployed = true`"),
        ),
        Some(source) if !source.stage_names().contains(&stage.as_str()) => (
            format!("the settings do not name the stage `{stage}` of `{api}`"),
            format!("it has {}", source.stage_names().join(", ")),
        ),
        Some(_) => return,
    };
    loaded.plan = None;
    loaded
        .configuration
        .add_problem(None, Severity::Error, "/apis", &message, Some(hint));
}

fn refuse(loaded: &Loaded) -> Result<(), Refused> {
    if loaded.plan.is_some() {
        return Ok(());
    }
    let report = &loaded.configuration.report;
    Err(Refused::Configuration(report.render(Colour::Never)))
}

fn check_document(change: &StageChange, text: &[u8]) -> Result<(), Refused> {
    let Change::Deploy { name, .. } = &change.change else {
        return Ok(());
    };
    let report = openapi::import_bytes(name, text, &openapi::Options::default()).report;
    if report.has_errors() {
        return Err(Refused::Configuration(report.render(Colour::Never)));
    }
    Ok(())
}

/// What is wrong with a change that the store refuses, as a line of a report.
#[must_use]
pub fn problem(error: &StoreError) -> Problem {
    Problem::of_file("the change", error.to_string(), None)
}
