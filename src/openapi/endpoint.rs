//! Where an API may be called: endpoint configuration, servers, base path.
//!
//! Shape: one [`Endpoint`] out of the root's extension and those of the servers. Units: none.
//! Errors: unknown types, several types at once.
//! Source: `x-amazon-apigateway-endpoint-configuration`, `-security-policy`,
//! `-endpoint-access-mode`; OpenAPI "Server Object".

use tidegate_edge::model::api::{Endpoint, EndpointType};

use super::{
    ACCESS_MODE, ENDPOINT,
    Fate::{self, Fine},
    Reader, SECURITY_POLICY, Strictness,
};
use crate::{diagnostics::did_you_mean, source::node::Cursor};

impl<'a> Reader<'a> {
    pub(super) fn endpoint(&mut self, root: &Cursor<'a>) -> Endpoint {
        let mut endpoint = Endpoint::default();
        let servers = root.get("servers");
        let servers = servers.iter().flat_map(Cursor::items);
        let servers: Vec<_> = servers.collect();
        for server in &servers {
            self.stray(server, &[ENDPOINT]);
        }
        let places: Vec<_> = std::iter::once(root.clone()).chain(servers).collect();
        for place in places {
            if let Some(at) = place.get(ENDPOINT) {
                self.configuration(&at, &mut endpoint);
            }
        }
        let keep = |text: Option<&str>| text.map(str::to_owned);
        endpoint.security_policy = keep(self.text_of(root, SECURITY_POLICY));
        if let Some(at) = root.get(SECURITY_POLICY) {
            let hint = "`[tls] min_version` of the settings file decides";
            self.unserved(&at, SECURITY_POLICY, hint);
        }
        endpoint.access_mode = keep(self.text_of(root, ACCESS_MODE));
        if let Some(at) = root.get(ACCESS_MODE) {
            self.unserved(&at, ACCESS_MODE, "every listener serves this API");
        }
        endpoint
    }

    fn configuration(&mut self, at: &Cursor<'a>, endpoint: &mut Endpoint) {
        const MEMBERS: &[(&str, Fate)] = &[
            ("types", Fine),
            ("vpcEndpointIds", Fine),
            ("disableExecuteApiEndpoint", Fine),
            ("ipAddressType", Fine),
        ];
        if !self.is_table(at, "an endpoint configuration") {
            return;
        }
        self.sort_out(at, MEMBERS, Strictness::Loose);
        if endpoint.pointer.is_empty() {
            endpoint.pointer.clone_from(&at.pointer);
        }
        let types = self.texts_of(at, "types");
        if let [_, second, ..] = types.as_slice() {
            let message = "Cannot create an api with multiple Endpoint Types.";
            self.error(second, message, "keep one of them");
        }
        if let Some(word) = types.first() {
            let text = word.text().unwrap_or("");
            endpoint.kind = EndpointType::parse(text);
            if endpoint.kind.is_none() {
                let hint = did_you_mean(text, &["EDGE", "REGIONAL", "PRIVATE"]);
                let message = format!("`{text}` is no type of endpoint");
                self.error(word, message, hint.unwrap_or_default());
            }
        }
        let ids = self.texts_of(at, "vpcEndpointIds").into_iter();
        let ids = ids.filter_map(|at| at.text().map(str::to_owned));
        endpoint.vpc_endpoint_ids.extend(ids);
        if let Some(flag) = self.flag_of(at, "disableExecuteApiEndpoint") {
            endpoint.disable_execute_api = flag;
        }
        if let Some(text) = self.text_of(at, "ipAddressType") {
            endpoint.ip_address_type = Some(text.to_owned());
        }
    }

    /// `basePath`, or the path of the first server, its variables at their defaults.
    pub(super) fn base_path(&self) -> String {
        let root = self.cursor();
        if let Some(text) = root.get("basePath").and_then(|at| at.text()) {
            return text.to_owned();
        }
        let server = root
            .get("servers")
            .and_then(|servers| servers.items().next());
        let Some(server) = server else {
            return String::new();
        };
        let mut url = server
            .get("url")
            .and_then(|url| url.text())
            .unwrap_or("")
            .to_owned();
        if let Some(variables) = server.get("variables") {
            for (entry, variable) in variables.members() {
                let default = variable
                    .get("default")
                    .and_then(|at| at.text())
                    .unwrap_or("");
                url = url.replace(&format!("{{{}}}", entry.key), default);
            }
        }
        path_of(&url).to_owned()
    }
}

/// The path of a URL, which may be a path alone.
fn path_of(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""),
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_paths() {
        let rows = [
            ("https://h.example/a/b", "/a/b"),
            ("https://h.example", ""),
            ("https://h.example//dev", "//dev"),
            ("/v1", "/v1"),
            ("", ""),
        ];
        for (url, expected) in rows {
            assert_eq!(path_of(url), expected, "{url}");
        }
    }
}
