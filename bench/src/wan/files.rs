//! What: the files of the gateways of a small world: settings and OpenAPI documents.
//! Shape: a folder for each gateway, with `tidegate.toml` and a document; what it writes lies there
//!   too.
//! Units: none.
//! Errors: `io::Error` from writing.
//! Source: docs/configuration.md, docs/openapi.md.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::certificate::Certificate;

/// A gateway: where it listens, and for what it asks whom.
pub(crate) struct Gateway<'a> {
    /// Plain, then the same over TLS.
    pub(crate) listen: Vec<[SocketAddr; 2]>,
    pub(crate) certificate: &'a Certificate,
    /// Stages; the second keeps answers, if there is one.
    pub(crate) stages: &'a [&'a str],
    /// For each size: the base that its answer comes from.
    pub(crate) sizes: &'a [(u32, String)],
}

impl Gateway<'_> {
    /// Writes the files into `directory`, and says which one to start with.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let document = directory.join("api.json");
        fs::write(&document, self.document())?;
        let settings = directory.join("tidegate.toml");
        fs::write(&settings, self.settings(&document, directory))?;
        Ok(settings)
    }

    fn settings(&self, document: &Path, directory: &Path) -> String {
        let mut text = format!(
            "[server]\nworkers = 1\n\n[admin]\nsocket = {}\n\n[limits]\n\
             requests_per_connection_max = 0\n",
            quoted(&directory.join("admin.sock"))
        );
        for [plain, tls] in &self.listen {
            text += &format!("\n[[listen]]\naddress = \"{plain}\"\n");
            text += &format!("\n[[listen]]\naddress = \"{tls}\"\ntls = true\n");
        }
        text += &format!(
            "\n[[tls.certificates]]\ncertificate = {}\nkey = {}\n",
            quoted(&self.certificate.certificate),
            quoted(&self.certificate.key)
        );
        for (index, stage) in self.stages.iter().enumerate() {
            let document = quoted(document);
            text += &format!(
                "\n[[apis]]\ndocument = {document}\nid = \"{}\"\nstage = \"{stage}\"\n\
                 header_rules = \"proxy\"\n",
                stage.replace('_', "")
            );
            if index == 1 {
                text += "edge_cache = \"standard\"\n";
            }
        }
        if self.stages.len() > 1 {
            let path = quoted(&directory.join("responses.cache"));
            text += &format!("\n[cache]\npath = {path}\ncapacity = \"64 MiB\"\n");
        }
        for (name, base) in self.origins() {
            text += &format!(
                "\n[origins.{name}]\nmatch = \"{base}\"\n\
                 allow_addresses = [\"loopback\", \"private\"]\n"
            );
        }
        text
    }

    /// Each authority once, with a name.
    fn origins(&self) -> Vec<(String, String)> {
        let mut bases: Vec<&str> = self.sizes.iter().map(|(_, base)| authority(base)).collect();
        bases.dedup();
        let named = bases.iter().enumerate();
        named
            .map(|(index, base)| (format!("behind{index}"), (*base).to_owned()))
            .collect()
    }

    /// A resource for each size.
    fn document(&self) -> String {
        let mut paths = serde_json::Map::new();
        for (bytes, base) in self.sizes {
            let operation = json!({
                "responses": { "200": { "description": "so many bytes" } },
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "GET",
                    "uri": format!("{base}/{bytes}"),
                },
            });
            paths.insert(format!("/{bytes}"), json!({ "get": operation }));
        }
        let document = json!({
            "openapi": "3.0.1",
            "info": { "title": "sizes", "version": "1" },
            "paths": paths,
        });
        format!("{document:#}\n")
    }
}

/// `http://host:port` of a base.
fn authority(base: &str) -> &str {
    let host = base.find("://").map_or(0, |at| at + 3);
    base[host..]
        .find('/')
        .map_or(base, |path| &base[..host + path])
}

/// As TOML wants a path.
fn quoted(path: &Path) -> String {
    json!(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Gateway, authority};
    use crate::certificate::Certificate;

    #[test]
    fn an_authority_ends_where_the_path_begins() {
        for (base, expected) in [
            ("http://10.77.2.2:8080/api", "http://10.77.2.2:8080"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ] {
            assert_eq!(authority(base), expected);
        }
    }

    #[test]
    fn only_the_second_stage_keeps_answers() {
        let certificate = Certificate {
            certificate: "c.pem".into(),
            key: "k.pem".into(),
        };
        let base = "http://10.77.2.2:8080/api";
        let gateway = Gateway {
            listen: vec![["10.77.1.2:8080", "10.77.1.2:8443"].map(|a| a.parse().expect("one"))],
            certificate: &certificate,
            stages: &["edge", "edge_cached"],
            sizes: &[(1, base.to_owned()), (2, base.to_owned())],
        };
        let text = gateway.settings("api.json".as_ref(), "/d".as_ref());
        let settings: toml::Table = text.parse().expect("TOML");
        let apis = settings["apis"].as_array().expect("two");
        let policies: Vec<bool> = apis
            .iter()
            .map(|api| api.get("edge_cache").is_some())
            .collect();
        assert_eq!(policies, [false, true]);
        let origins = settings["origins"].as_table().expect("a table");
        assert_eq!(origins.len(), 1, "one authority, one group");
    }
}
