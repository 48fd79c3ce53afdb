//! Weighted kinds of requests from a TOML file.
//!
//! What it is: the file's form, and the way from it to shapes. Shape: one `[[request]]` for each
//! kind; unknown names are refused. Units: bytes. Errors: [`Fault`] names the request.
//! Source: docs/load-testing.md, "Scenarios".

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    check::Expect,
    plan::{Mix, Shape},
    template::{self, Parts, Request, Template},
};

/// A scenario as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The kinds of requests.
    #[serde(rename = "request")]
    pub requests: Vec<Wish>,
}

/// One kind of request as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// In results; the method and path without it.
    pub name: Option<String>,
    /// How often beside the others; 1 without it.
    pub weight: Option<u32>,
    /// GET without it, POST with a body.
    pub method: Option<String>,
    /// Path and query, with holes; that of the URL without it.
    pub path: Option<String>,
    /// Header fields, values with holes.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, with holes.
    pub body: Option<String>,
    /// A file with the body, as it is.
    pub body_file: Option<PathBuf>,
    /// What must come back.
    #[serde(default)]
    pub expect: Wanted,
}

/// What must come back, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `200`, `2xx`, `200-204`, several with commas.
    pub status: Option<String>,
    /// Digest of the body.
    pub sha256: Option<String>,
    /// Bytes of the body.
    pub body_bytes: Option<u64>,
    /// Text in the body.
    pub contains: Option<String>,
    /// The header that carries the request's id, there and back.
    pub echo_header: Option<String>,
    /// The body carries the request's id back.
    #[serde(default)]
    pub echo_body: bool,
}

/// Why a scenario is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A file that cannot be read.
    #[error("{0}: {1}")]
    File(String, String),
    /// Not the form of a scenario.
    #[error("{0}")]
    Form(String),
    /// A request that is none.
    #[error("request `{0}`: {1}")]
    Request(String, String),
}

impl Scenario {
    /// Reads a file; files named in it are beside it.
    ///
    /// # Errors
    /// It cannot be read or is no scenario.
    pub fn read(path: &Path) -> Result<Scenario, Fault> {
        let text = read_file(path)?;
        let text = String::from_utf8(text)
            .map_err(|error| Fault::File(path.display().to_string(), error.to_string()))?;
        let mut scenario = Scenario::parse(&text)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for request in &mut scenario.requests {
            if let Some(file) = &mut request.body_file {
                *file = folder.join(&file);
            }
        }
        Ok(scenario)
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// It is no scenario.
    pub fn parse(text: &str) -> Result<Scenario, Fault> {
        let scenario: Scenario =
            toml::from_str(text).map_err(|error| Fault::Form(error.to_string()))?;
        if scenario.requests.is_empty() {
            return Err(Fault::Form("a scenario needs a [[request]]".to_owned()));
        }
        Ok(scenario)
    }

    /// The shapes and their weights.
    ///
    /// # Errors
    /// The first request that is none.
    pub fn build(&self, host: &str, path: &str, closes: bool) -> Result<(Vec<Shape>, Mix), Fault> {
        let mut sum = 0;
        let mut sums = Vec::new();
        let mut shapes = Vec::new();
        for wish in &self.requests {
            sum += u64::from(wish.weight.unwrap_or(1));
            sums.push(sum);
            shapes.push(wish.build(host, path, closes)?);
        }
        if sum == 0 {
            return Err(Fault::Form("all weights are zero".to_owned()));
        }
        Ok((shapes, Mix::Weighted(sums)))
    }
}

impl Wish {
    /// Its shape.
    ///
    /// # Errors
    /// Why it is none.
    pub fn build(&self, host: &str, path: &str, closes: bool) -> Result<Shape, Fault> {
        let has_body = self.body.is_some() || self.body_file.is_some();
        let method = self
            .method
            .as_deref()
            .unwrap_or(if has_body { "POST" } else { "GET" });
        let target = self.path.as_deref().unwrap_or(path);
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("{method} {target}"));
        let fault = |why: String| Fault::Request(name.clone(), why);
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        if !is_token(method) || !self.headers.keys().all(|name| is_token(name)) {
            return Err(fault(
                "a method or the name of a header is no token".to_owned(),
            ));
        }
        if !target.starts_with('/') || target.contains(' ') && !target.contains("${") {
            return Err(fault("a path begins with / and has no spaces".to_owned()));
        }
        let body = match (&self.body, &self.body_file) {
            (Some(_), Some(_)) => return Err(fault("body or body_file, not both".to_owned())),
            (Some(text), None) => {
                Some(Template::parse(text).map_err(|why| fault(why.to_string()))?)
            }
            (None, Some(file)) => Some(Template::literal(read_file(file)?)),
            (None, None) => None,
        };
        let expect = self.expect.build().map_err(fault)?;
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(echo) = &expect.echo
            && !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(echo))
        {
            headers.push((echo.clone(), "${id}".to_owned()));
        }
        let parts = Parts {
            method,
            target,
            host,
            headers: &headers,
            body,
            closes,
        };
        let request = Request::new(parts).map_err(|why: template::Fault| fault(why.to_string()))?;
        Ok(Shape {
            name,
            request,
            expect,
        })
    }
}

impl Wanted {
    /// In the form that judges.
    ///
    /// # Errors
    /// A status or digest that is none.
    pub fn build(&self) -> Result<Expect, String> {
        let statuses = self
            .status
            .as_deref()
            .map(Expect::read_statuses)
            .transpose()?;
        Ok(Expect {
            statuses: statuses.unwrap_or_default(),
            sha256: self
                .sha256
                .as_deref()
                .map(Expect::read_sha256)
                .transpose()?,
            body_bytes: self.body_bytes,
            contains: self.contains.as_ref().map(|text| text.clone().into_bytes()),
            echo: self.echo_header.clone(),
            echo_body: self.echo_body,
        })
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A whole file of bounded length.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |why: String| Fault::File(path.display().to_string(), why);
    let length = std::fs::metadata(path)
        .map_err(|error| fault(error.to_string()))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(fault(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read(path).map_err(|error| fault(error.to_string()))
}

/// The longest file that is read.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read() {
        let scenario = Scenario::parse(
            "[[request]]\nname = \"list\"\nweight = 3\npath = \"/items?page=${1..9}\"\n\
             [[request]]\nbody = \"{}\"\nheaders = { x-api-key = \"${key}\" }\n\
             [request.expect]\nstatus = \"201\"\necho_header = \"x-id\"\n",
        )
        .expect("a scenario");
        let (shapes, mix) = scenario.build("h", "/all", false).expect("shapes");
        assert_eq!(shapes[0].name, "list");
        assert_eq!(shapes[1].name, "POST /all");
        assert!(shapes[1].request.has_key() && !shapes[0].request.has_key());
        assert_eq!(shapes[1].expect.statuses, [(201, 201)]);
        assert!(matches!(mix, Mix::Weighted(sums) if sums == [3, 4]));
    }

    #[test]
    fn what_is_no_scenario_is_refused() {
        let rows = [
            ("", "missing field"),
            ("request = []", "needs a [[request]]"),
            ("[[request]]\nwieght = 1", "unknown field"),
            ("[[request]]\nweight = 0", "all weights are zero"),
            ("[[request]]\nmethod = \"G T\"", "no token"),
            ("[[request]]\npath = \"items\"", "begins with /"),
            ("[[request]]\npath = \"/${x}\"", "no hole"),
            ("[[request]]\nbody = \"a\"\nbody_file = \"b\"", "not both"),
            (
                "[[request]]\nbody_file = \"/nowhere/at/all\"",
                "No such file",
            ),
            ("[[request]]\nexpect = { status = \"9\" }", "no status"),
            (
                "[[request]]\nheaders = { a = \"b\\r\\nc: d\" }",
                "control character",
            ),
        ];
        for (text, why) in rows {
            let built = Scenario::parse(text).and_then(|scenario| scenario.build("h", "/", false));
            let fault = built
                .err()
                .map(|fault| fault.to_string())
                .unwrap_or_default();
            assert!(fault.contains(why), "{text}: {fault}");
        }
    }
}
