//! The host's TOML file into the model, and with it everything one run is configured by.
//!
//! Shape: [`Settings`] from text ([`parse`]) or file ([`load`]); [`Configuration`] adds every API
//! document it names. Relative paths resolve against the folder of the settings file.
//! Units: as in `model::settings`.
//! Errors: every unknown key, wrong type and missing key at once, with the nearest known word.
//! Source: `configs/full.toml`.

use std::path::{Path, PathBuf};

use tidegate_edge::{
    model::{
        api::Api,
        settings::{ApiSource, LISTEN_ADDRESS_DEFAULT, Listen, Roots, STAGE_DEFAULT, Settings},
    },
    plan::Release,
};

mod documents;

use crate::{
    diagnostics::{Colour, Problem, Report, Severity},
    files::Files,
    openapi::{
        self, Imported,
        diff::{diff, to_text},
        export::{ExportFormat, ExportOptions, export, to_yaml},
    },
    source::{Document, Format, Source, read},
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
    load_from(path, &mut Files::on_disk())
}

/// Reads a settings file that comes from `files`.
fn load_from(path: &Path, files: &mut Files) -> Loaded {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    match files.read(path) {
        Ok(bytes) => match Source::from_bytes(&name, bytes) {
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
    let (mut settings, mut problems) = read::read::<Settings>(&document);
    for (index, _) in (settings.apis.iter().enumerate())
        .filter(|(_, api)| api.document.is_none() && !api.deployed)
    {
        let at = format!("/apis/{index}");
        // Where it could not be read it is not missing.
        let faulty = format!("{at}/document");
        if !problems.iter().any(|problem| problem.pointer == faulty) {
            let hint = "name the OpenAPI file, or write `deployed = true`".to_owned();
            let message = "`document` is missing";
            problems.push(document.problem(Severity::Error, &at, message, Some(hint)));
        }
    }
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
    /// Every document that a stage serves.
    pub apis: Vec<Imported>,
    /// Which stage serves which of them.
    pub releases: Vec<Release>,
    pub report: Report,
    /// Where all of it came from.
    pub files: Files,
}

impl Configuration {
    /// Reads a settings file and every document it names.
    pub fn load(path: &Path) -> Configuration {
        Configuration::load_from(path, Files::on_disk())
    }

    /// As [`Configuration::load`], with everything from `files`.
    pub fn load_from(path: &Path, mut files: Files) -> Configuration {
        let loaded = load_from(path, &mut files);
        Configuration::with_documents(loaded.settings, loaded.document, loaded.report, files)
    }

    /// Reads one document, served with defaults.
    pub fn for_api(document: &Path) -> Configuration {
        Configuration::of_settings(for_api(document), Files::on_disk())
    }

    /// Settings that stand in no file, with their documents from `files`.
    pub fn of_settings(settings: Settings, files: Files) -> Configuration {
        Configuration::with_documents(settings, None, Report::default(), files)
    }

    fn with_documents(
        mut settings: Settings,
        settings_document: Option<Document>,
        mut report: Report,
        mut files: Files,
    ) -> Configuration {
        let documents = documents::read(&mut settings, settings_document.as_ref(), &mut files);
        report.absorb(documents.report);
        let (apis, releases) = (documents.apis, documents.releases);
        Configuration {
            settings,
            settings_document,
            apis,
            releases,
            report,
            files,
        }
    }

    /// The documents' APIs alone, in the order of `apis`.
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

fn resolve_paths(settings: &mut Settings, folder: &Path) {
    let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
    for api in &mut settings.apis {
        api.document.iter_mut().for_each(resolve);
        let canaries = api
            .stages
            .rows_mut()
            .filter_map(|(_, own)| own.canary.as_mut());
        canaries
            .filter_map(|canary| canary.document.as_mut())
            .for_each(resolve);
    }
    for certificate in &mut settings.tls.certificates {
        resolve(&mut certificate.certificate);
        resolve(&mut certificate.key);
    }
    for certificate in settings.client_certificates.values_mut() {
        resolve(&mut certificate.certificate);
        resolve(&mut certificate.key);
    }
    for domain in &mut settings.domains {
        let files = domain.certificate.iter_mut().chain(&mut domain.key);
        files.for_each(resolve);
    }
    for origin in settings.origins.values_mut() {
        if let Roots::File(path) = &mut origin.tls.roots {
            resolve(path);
        }
        origin.tls.client_certificate.iter_mut().for_each(resolve);
        origin.tls.client_key.iter_mut().for_each(resolve);
    }
    if let Some(cache) = &mut settings.cache {
        cache.path.iter_mut().for_each(resolve);
        let is_file = |path: &&mut PathBuf| path.as_os_str() != "boot";
        let key_file = cache.key_file.iter_mut();
        key_file.filter(is_file).for_each(resolve);
    }
    settings.throttle.path.iter_mut().for_each(resolve);
    settings.admin.socket.iter_mut().for_each(resolve);
    settings.process.state_dir.iter_mut().for_each(resolve);
    let keys = settings.api_keys.iter_mut();
    keys.filter_map(|key| key.value_file.as_mut())
        .for_each(resolve);
    for log in [
        &mut settings.access_log.path,
        &mut settings.execution_log.path,
    ] {
        if log != "off" && log != "-" {
            *log = folder.join(&*log).display().to_string();
        }
    }
}

/// The body of the fuzz target `configuration`: any bytes, never a panic. The first byte picks
/// the format, and with it the fate of a document's base path.
pub fn fuzz_configuration(bytes: &[u8]) {
    let Some((format, text)) = bytes.split_first() else {
        return;
    };
    let mode = openapi::BasePath::ALL
        .into_iter()
        .nth(usize::from(format / 3 % 3));
    let options = openapi::Options::with_base_path(mode.unwrap_or_default());
    let report = match format % 3 {
        0 => fuzz_document("fuzz.yaml", text, &options),
        1 => fuzz_document("fuzz.json", text, &options),
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

/// A document without errors comes back from every export.
fn fuzz_document(name: &str, text: &[u8], options: &openapi::Options) -> Report {
    let imported = openapi::import_bytes(name, text, options);
    if imported.report.has_errors() {
        return imported.report;
    }
    for format in ExportFormat::ALL {
        let Ok(document) = export(&imported.api, &ExportOptions::whole(format)) else {
            continue;
        };
        for (name, text) in [
            ("fuzz.json", document.to_string()),
            ("fuzz.yaml", to_yaml(&document)),
        ] {
            let again = openapi::import(Source::new(name, text), &openapi::Options::default());
            assert!(!again.report.has_errors(), "{}", again.report);
            let changes = diff(&imported.api, &again.api);
            assert!(changes.is_empty(), "{}", to_text(&changes, Colour::Never));
        }
    }
    imported.report
}
