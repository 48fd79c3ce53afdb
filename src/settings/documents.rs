//! The documents that settings name, and which of them each stage serves.
//!
//! Shape: [`read`] gives [`Documents`]: imported texts, and a [`Release`] for each stage that points
//! to them. They come from files, or from the store where an API is `deployed`. Units: none.
//! Errors: in each document's report, or about the settings that name it.
//! Source: `configs/full.toml`; API Gateway's deployments.

use std::path::Path;

use tidegate_edge::{
    model::{
        api::Api,
        settings::{ApiSource, Settings},
    },
    plan::{CanaryRelease, Release},
};

use crate::{
    diagnostics::{Problem, Report, Severity},
    files::Files,
    openapi::{self, Imported},
    process::state_folder,
    source::Document,
    store::deployments::{Deployed, DeployedStage},
};

/// What settings serve.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    pub(super) apis: Vec<Imported>,
    pub(super) releases: Vec<Release>,
    pub(super) report: Report,
}

/// Reads all that `settings` name; ids and stages that they leave out are filled in.
pub(super) fn read(
    settings: &mut Settings,
    document: Option<&Document>,
    files: &mut Files,
) -> Documents {
    let folder = state_folder(settings.process.state_dir.as_deref());
    let mut reading = Reading {
        out: Documents::default(),
        settings: document,
        folder: folder.as_deref(),
        files,
    };
    for (index, source) in settings.apis.iter_mut().enumerate() {
        match (&source.document, source.deployed) {
            (Some(_), false) => reading.file(index, source),
            (None, true) => reading.deployed(index, source),
            (Some(_), true) => {
                let message = "`document` and `deployed` exclude each other";
                reading.error(
                    &format!("/apis/{index}/deployed"),
                    message,
                    "keep one of the two",
                );
            }
            (None, false) => {} // which was said when the settings were read
        }
    }
    reading.out
}

struct Reading<'r> {
    out: Documents,
    /// The text of the settings.
    settings: Option<&'r Document>,
    /// Where the store is.
    folder: Option<&'r Path>,
    files: &'r mut Files,
}

impl Reading<'_> {
    fn file(&mut self, index: usize, source: &mut ApiSource) {
        let Some(path) = source.document.clone() else {
            return;
        };
        let at = format!("/apis/{index}/document");
        let options = openapi::Options::with_base_path(source.base_path);
        let document = self.import(&path, &at, &options);
        self.name(document, source);
        let mut releases = Vec::new();
        for name in source.stage_names() {
            let canary = source.stages.get(name).and_then(|own| own.canary.as_ref());
            let canary = canary.map(|canary| {
                let at = format!("/apis/{index}/stages/{name}/canary/document");
                let document = match &canary.document {
                    Some(path) => self.import(path, &at, &options),
                    None => document,
                };
                CanaryRelease {
                    document,
                    deployment: String::new(),
                    percent: canary.percent,
                    variables: canary.variables.clone(),
                    use_stage_cache: canary.use_stage_cache,
                }
            });
            releases.push(Release {
                source: index,
                stage: name.to_owned(),
                document,
                canary,
                ..Release::default()
            });
        }
        for canary in releases
            .iter()
            .filter_map(|release| release.canary.as_ref())
        {
            self.name(canary.document, source);
        }
        self.out.releases.append(&mut releases);
    }

    /// Gives a document the API's id, or the API that of its first document.
    fn name(&mut self, document: usize, source: &mut ApiSource) {
        let Some(imported) = self.out.apis.get_mut(document) else {
            return;
        };
        match &source.id {
            Some(id) => imported.api.id.clone_from(id),
            None => source.id = Some(imported.api.id.clone()),
        }
    }

    /// Reads a file; where it cannot be read, the settings that name it at `at` are at fault.
    fn import(&mut self, path: &Path, at: &str, options: &openapi::Options) -> usize {
        let name = path.display().to_string();
        let imported = match self.files.read(path) {
            Ok(bytes) => openapi::import_bytes(&name, bytes, options),
            Err(problem) => {
                let problem = match self.settings {
                    Some(document) => {
                        let message = format!("{name}: {}", problem.message);
                        document.problem(Severity::Error, at, message, problem.hint)
                    }
                    None => *problem,
                };
                Imported {
                    api: Api::default(),
                    document: None,
                    report: Report::of(vec![problem]),
                }
            }
        };
        self.push(imported)
    }

    fn push(&mut self, mut imported: Imported) -> usize {
        self.out.report.absorb(std::mem::take(&mut imported.report));
        self.out.apis.push(imported);
        self.out.apis.len() - 1
    }

    fn deployed(&mut self, index: usize, source: &mut ApiSource) {
        let at = |key: &str| format!("/apis/{index}/{key}");
        let Some(id) = source.id.clone() else {
            let hint = "write the id by which it is deployed, as in `tidegate deploy --api ID`";
            self.error(&at("deployed"), "a deployed API needs an `id`", hint);
            return;
        };
        let Some(folder) = self.folder else {
            let hint = "deployments are kept in the store, which is there";
            let message = "a deployed API needs `[process] state_dir`";
            self.error(&at("deployed"), message, hint);
            return;
        };
        let deployed = match self.files.deployed(folder, &id) {
            Ok(deployed) => deployed,
            Err(reason) => {
                self.error(&at("deployed"), &reason, "");
                return;
            }
        };
        for (name, own) in source.stages.rows() {
            if own.canary.is_some() {
                let hint = "use `tidegate canary set`, which a reload does not undo";
                let message = "the canary of a deployed API does not stand in the settings";
                self.error(&at(&format!("stages/{name}/canary")), message, hint);
            }
        }
        if source.stages.is_empty() && source.stage.is_none() {
            for stage in &deployed.stages {
                source.stages.push(&stage.stage);
            }
        }
        let options = openapi::Options::with_base_path(source.base_path);
        let places = self.import_deployed(&deployed, &id, &options);
        let none = DeployedStage::default();
        for name in source.stage_names() {
            let mut stages = deployed.stages.iter();
            let stage = stages.find(|stage| stage.stage == name).unwrap_or(&none);
            let place = |id: &str| places.iter().find(|(known, _)| known == id);
            match place(&stage.deployment) {
                Some((_, document)) => {
                    let canary = stage.canary.as_ref();
                    let canary = canary.and_then(|canary| {
                        let (_, document) = place(&canary.deployment)?;
                        Some(canary.release(*document))
                    });
                    let release = stage.release(index, *document, canary);
                    self.out.releases.push(release);
                }
                None => {
                    let message = format!("the stage `{name}` of `{id}` has no deployment yet");
                    let hint = format!("`tidegate deploy FILE --api {id} --stage {name}`");
                    self.problem(Severity::Warning, &at("deployed"), &message, &hint);
                }
            }
        }
    }

    /// Imports every document that a stage serves; gives deployments with their positions.
    fn import_deployed(
        &mut self,
        deployed: &Deployed,
        id: &str,
        options: &openapi::Options,
    ) -> Vec<(String, usize)> {
        let documents = deployed.documents.iter();
        documents
            .map(|(deployment, document)| {
                let mut imported =
                    openapi::import_bytes(&document.name, document.text.as_bytes(), options);
                imported.api.id = id.to_owned();
                (deployment.clone(), self.push(imported))
            })
            .collect()
    }

    fn error(&mut self, at: &str, message: &str, hint: &str) {
        self.problem(Severity::Error, at, message, hint);
    }

    fn problem(&mut self, severity: Severity, at: &str, message: &str, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        let problem = match self.settings {
            Some(document) => document.problem(severity, at, message, hint),
            None => Problem {
                severity,
                pointer: at.to_owned(),
                ..Problem::of_file("settings", message, hint)
            },
        };
        self.out.report.push(problem);
    }
}
