//! Which document each stage serves.
//!
//! Shape: a [`Release`] is one stage of one API of the settings; documents are named by their
//! position among those that are compiled, of which there may be more than APIs. Units: percent.
//! Ranges: 0 to 100 percent. Errors: none here. Source: Amazon API Gateway developer guide,
//! "deployments" and "canary release deployment".

use std::collections::BTreeMap;

use crate::model::settings::Settings;

/// What one stage serves.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Release {
    /// Position of its API in the settings.
    pub source: usize,
    pub stage: String,
    /// Position of its document.
    pub document: usize,
    /// The deployment that the document is of; empty: it is a file.
    pub deployment: String,
    /// Variables that were deployed, over those of the settings.
    pub variables: BTreeMap<String, String>,
    pub canary: Option<CanaryRelease>,
}

/// What a share of a stage's requests is served by.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CanaryRelease {
    pub document: usize,
    /// As [`Release::deployment`].
    pub deployment: String,
    /// Of the requests, decimals allowed.
    pub percent: f64,
    /// Over those of the stage, or beside them.
    pub variables: BTreeMap<String, String>,
    /// Answers are kept together with those of the stage, although the documents differ.
    pub use_stage_cache: bool,
}

impl Release {
    /// The stages of settings whose APIs have one document each, in their order.
    #[must_use]
    pub fn of_files(settings: &Settings) -> Vec<Release> {
        let sources = settings.apis.iter().enumerate();
        let stages = sources.flat_map(|(index, source)| {
            let names = source.stage_names().into_iter();
            names.map(move |name| Release {
                source: index,
                stage: name.to_owned(),
                document: index,
                canary: (source.stages.get(name))
                    .and_then(|own| own.canary.as_ref())
                    .map(|canary| CanaryRelease {
                        document: index,
                        deployment: String::new(),
                        percent: canary.percent,
                        variables: canary.variables.clone(),
                        use_stage_cache: canary.use_stage_cache,
                    }),
                ..Release::default()
            })
        });
        stages.collect()
    }
}
