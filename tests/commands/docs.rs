//! The pages keep up with the code: links lead somewhere, keys and commands are described.
//!
//! Shape: the Markdown files of the repository. Units: none. Errors: what is missing, all at once.
//! Source: README.md, docs/, `configs/full.toml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/");
    let mut pages: Vec<PathBuf> = docs.map(|entry| entry.expect("an entry").path()).collect();
    pages.push(root().join("README.md"));
    pages
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a folder");
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or("");
            if !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_key_and_page_is_described() {
    let described = text("docs/configuration.md");
    let mut missing: Vec<String> = text("configs/full.toml")
        .lines()
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim().to_owned()))
        .filter(|key| !key.starts_with('#') && !described.contains(&format!("`{key}`")))
        .collect();
    let readme = text("README.md");
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap_or(Path::new("")).display();
        if name.to_string() != "README.md" && !readme.contains(&name.to_string()) {
            missing.push(format!("README.md names no {name}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
