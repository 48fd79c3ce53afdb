//! The host's TOML file into the model, and with it everything one run is configured by.
//!
//! Shape: [`Settings`] from text ([`parse`]) or file ([`load`]); [`Configuration`] adds every API
//! document it names. Relative paths resolve against the folder of the settings file.
//! Units: as in `model::settings`.
//! Errors: every unknown key, wrong type and missing key at once, with the nearest known word.
//! Source: `configs/full.toml`.

use std::path::{Path, PathBuf};

use tidegate_edge::model::{
    api::Api,
    settings::{ApiSource, LISTEN_ADDRESS_DEFAULT, Listen, Roots, STAGE_DEFAULT, Settings},
};

use crate::{
    diagnostics::{Problem, Report, Severity},
    openapi::{self, Imported},
    source::{DOCUMENT_BYTES_MAX, Document, Format, Source, read},
};

/// Settings with the text they came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// `None` when there is no file, or its text could not be read.
    pub document: Option<Document>,
    pub report: Report,
}

/// What `tidegate run --api petstore.yaml` uses: one plain listener on 127.0.0.1:8080, one API,
/// stage `dev`.
pub fn for_api(document: &Path) -> Settings {
    let mut api = ApiSource::new(document.to_owned());
    api.stage = Some(STAGE_DEFAULT.to_owned());
    Settings {
        listen: vec![listen_default()],
        apis: vec![api],
        ..Settings::default()
    }
}

/// Reads a settings file.
pub fn load(path: &Path) -> Loaded {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    match read_file(path) {
        Ok(bytes) => match Source::from_bytes(&name, &bytes) {
            Ok(source) => parse(source, folder),
            Err(problem) => Loaded::failed(vec![*problem]),
        },
        Err(problem) => Loaded::failed(vec![*problem]),
    }
}

/// Reads settings; `folder` is where relative paths begin.
pub fn parse(source: Source, folder: &Path) -> Loaded {
    let document = match Document::parse(source, Format::Toml) {
        Ok(document) => document,
        Err(problems) => return Loaded::failed(problems),
    };
    let (mut settings, problems) = read::read::<Settings>(&document);
    if settings.listen.is_empty() {
        settings.listen.push(listen_default());
    }
    resolve_paths(&mut settings, folder);
    Loaded {
        settings,
        document: Some(document),
        report: Report::of(problems),
    }
}

impl Loaded {
    fn failed(problems: Vec<Problem>) -> Loaded {
        Loaded {
            settings: Settings::default(),
            document: None,
            report: Report::of(problems),
        }
    }
}

/// Settings and all their documents: what the plan is compiled from.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub settings: Settings,
    pub settings_document: Option<Document>,
    /// One per `[[apis]]`, in their order.
    pub apis: Vec<Imported>,
    pub report: Report,
}

impl Configuration {
    /// Reads a settings file and every document it names.
    pub fn load(path: &Path) -> Configuration {
        let loaded = load(path);
        Configuration::with_documents(loaded.settings, loaded.document, loaded.report)
    }

    /// Reads one document, served with defaults.
    pub fn for_api(document: &Path) -> Configuration {
        Configuration::with_documents(for_api(document), None, Report::default())
    }

    /// Settings that stand in no file, for example a demonstration's.
    pub fn of_settings(settings: Settings) -> Configuration {
        Configuration::with_documents(settings, None, Report::default())
    }

    fn with_documents(
        mut settings: Settings,
        settings_document: Option<Document>,
        mut report: Report,
    ) -> Configuration {
        let mut apis = Vec::new();
        for (index, api) in settings.apis.iter_mut().enumerate() {
            let name = api.document.display().to_string();
            let mut imported = match read_file(&api.document) {
                Ok(bytes) => openapi::import_bytes(&name, &bytes),
                Err(problem) => {
                    let at = format!("/apis/{index}/document");
                    let problem = match &settings_document {
                        Some(document) => {
                            let message = format!("{name}: {}", problem.message);
                            document.problem(Severity::Error, &at, message, problem.hint)
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
            match &api.id {
                Some(id) => imported.api.id.clone_from(id),
                None => api.id = Some(imported.api.id.clone()),
            }
            report.absorb(std::mem::take(&mut imported.report));
            apis.push(imported);
        }
        Configuration {
            settings,
            settings_document,
            apis,
            report,
        }
    }

    /// The APIs alone, in the order of `settings.apis`.
    pub fn models(&self) -> Vec<Api> {
        self.apis
            .iter()
            .map(|imported| imported.api.clone())
            .collect()
    }

    /// Notes what was found later: `api` is an index into `apis`, `None` means the settings.
    pub fn add_problem(
        &mut self,
        api: Option<usize>,
        severity: Severity,
        pointer: &str,
        message: &str,
        hint: Option<String>,
    ) {
        let imported = api.and_then(|index| self.apis.get(index));
        let document = match api {
            Some(_) => imported.and_then(|imported| imported.document.as_ref()),
            None => self.settings_document.as_ref(),
        };
        let problem = match document {
            Some(document) => document.problem(severity, pointer, message, hint),
            None => Problem {
                severity,
                pointer: pointer.to_owned(),
                ..Problem::of_file("settings", message, hint)
            },
        };
        self.report.push(problem);
    }
}

fn listen_default() -> Listen {
    Listen {
        address: LISTEN_ADDRESS_DEFAULT.to_owned(),
        ..Listen::default()
    }
}

/// Bytes of a file, or why not. Reads at most one byte more than a document may have.
fn read_file(path: &Path) -> Result<Vec<u8>, Box<Problem>> {
    use std::io::Read;
    let name = path.display().to_string();
    let limit = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => "check the name and the folder",
                std::io::ErrorKind::PermissionDenied => "let the gateway's user read it",
                _ => "check the file",
            };
            let message = format!("the file cannot be read: {error}");
            let problem = Problem::of_file(&name, message, Some(hint.to_owned()));
            Err(Box::new(problem))
        }
    }
}

fn resolve_paths(settings: &mut Settings, folder: &Path) {
    let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
    settings
        .apis
        .iter_mut()
        .for_each(|api| resolve(&mut api.document));
    for certificate in &mut settings.tls.certificates {
        resolve(&mut certificate.certificate);
        resolve(&mut certificate.key);
    }
    for origin in settings.origins.values_mut() {
        if let Roots::File(path) = &mut origin.tls.roots {
            resolve(path);
        }
        origin.tls.client_certificate.iter_mut().for_each(resolve);
        origin.tls.client_key.iter_mut().for_each(resolve);
    }
    settings.admin.socket.iter_mut().for_each(resolve);
    let log = &mut settings.access_log.path;
    if log != "off" && log != "-" {
        *log = folder.join(&*log).display().to_string();
    }
}

/// The body of the fuzz target `configuration`: any bytes, never a panic. The first byte picks
/// the format.
pub fn fuzz_configuration(bytes: &[u8]) {
    let Some((format, text)) = bytes.split_first() else {
        return;
    };
    let report = match format % 3 {
        0 => openapi::import_bytes("fuzz.yaml", text).report,
        1 => openapi::import_bytes("fuzz.json", text).report,
        _ => match Source::from_bytes("fuzz.toml", text) {
            Ok(source) => parse(source, Path::new("")).report,
            Err(problem) => Report::of(vec![*problem]),
        },
    };
    for problem in report.problems() {
        assert!(!problem.message.is_empty());
        assert!(problem.line == 0 || problem.column >= 1);
    }
    let _text = report.to_string();
}
