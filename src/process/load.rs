//! From documents to a plan, with every problem of the run.
//!
//! What it is: the road that `run`, `validate`, `explain` and every reload share. Shape:
//! [`Loaded`]. Errors: in the report, each with file, line, column and a hint.

use tidegate_edge::{
    model::settings::{ApiSource, Listen, Settings},
    plan::{Document, Plan, PlanFault, compile_releases},
    server::BlueprintError,
};

use super::Sources;
use crate::{
    diagnostics::{Colour, Severity},
    files::Files,
    settings::Configuration,
    store::seed::SeedFault,
};

/// What became of the documents.
pub struct Loaded {
    /// The plan, unless there were errors.
    pub plan: Option<Plan>,
    /// The documents and their report.
    pub configuration: Configuration,
}

impl Loaded {
    /// Prints the report to standard error, if it says anything.
    pub fn print_report(&self) {
        if !self.configuration.report.is_empty() {
            eprint!("{}", self.configuration.report.render(Colour::for_stderr()));
        }
    }
}

/// Reads and compiles `sources` as revision `revision`.
#[must_use]
pub fn load(sources: &Sources, revision: u64) -> Loaded {
    compiled(read(sources, Files::on_disk()), revision)
}

/// Compiles what was read.
#[must_use]
pub fn compiled(mut configuration: Configuration, revision: u64) -> Loaded {
    if configuration.report.has_errors() {
        return Loaded {
            plan: None,
            configuration,
        };
    }
    let models = configuration.models();
    let (settings, releases) = (&configuration.settings, &configuration.releases);
    let (plan, warnings, errors) = match compile_releases(settings, &models, releases, revision) {
        Ok(compiled) => (Some(compiled.plan), compiled.warnings, Vec::new()),
        Err(findings) => (None, findings.warnings, findings.errors),
    };
    let mut note = |faults: &[PlanFault], severity: Severity| {
        for fault in faults {
            let api = match fault.document {
                Document::Settings => None,
                Document::Api(index) => Some(index),
            };
            let hint = (!fault.hint.is_empty()).then(|| fault.hint.clone());
            configuration.add_problem(api, severity, &fault.pointer, &fault.message, hint);
        }
    };
    note(&errors, Severity::Error);
    note(&warnings, Severity::Warning);
    Loaded {
        plan,
        configuration,
    }
}

/// Adds what was found when files and keys were read.
pub fn add_blueprint_errors(configuration: &mut Configuration, errors: &[BlueprintError]) {
    for error in errors {
        configuration.add_problem(None, Severity::Error, &error.pointer, &error.message, None);
    }
}

/// Adds what was found when declared keys were read.
pub fn add_seed_faults(configuration: &mut Configuration, faults: &[SeedFault]) {
    for fault in faults {
        configuration.add_problem(None, Severity::Error, &fault.pointer, &fault.message, None);
    }
}

/// Reads what `sources` name from `files`.
#[must_use]
pub fn read(sources: &Sources, files: Files) -> Configuration {
    if let Some(path) = &sources.config {
        let mut configuration = Configuration::load_from(path, files);
        if sources.apis.is_empty() && sources.listen.is_none() {
            return configuration;
        }
        adjust(&mut configuration.settings, sources);
        let again = Configuration::of_settings(configuration.settings.clone(), configuration.files);
        configuration.apis = again.apis;
        configuration.releases = again.releases;
        configuration.settings = again.settings;
        configuration.files = again.files;
        return configuration;
    }
    let mut settings = Settings::default();
    adjust(&mut settings, sources);
    Configuration::of_settings(settings, files)
}

/// The command line's word on top of the file's.
fn adjust(settings: &mut Settings, sources: &Sources) {
    for path in &sources.apis {
        let mut api = ApiSource::new(path.clone());
        api.stage.clone_from(&sources.stage);
        settings.apis.push(api);
    }
    if let Some(address) = sources.listen {
        settings.listen = vec![Listen {
            address: address.to_string(),
            ..Listen::default()
        }];
    } else if settings.listen.is_empty() {
        let address = tidegate_edge::model::settings::LISTEN_ADDRESS_DEFAULT.to_owned();
        settings.listen = vec![Listen {
            address,
            ..Listen::default()
        }];
    }
}
