//! What operators can ask, as one table.
//!
//! Shape: [`route`] turns method and path into an [`Action`], [`answer`] does it. Names in paths
//! are percent-encoded, for an implicit origin is named by its URL. Units: none. Errors: 403 for
//! orders on the loopback address, 404, 405 with `Allow`, 409 for an order that was tried and
//! failed. Source: OpenMetrics 1.0; the probes' names are those of Kubernetes.

use std::rc::Rc;

use serde_json::json;
use tidegate_edge::{telemetry::render::CONTENT_TYPE, wire::Method};

use super::{cache, store};
use crate::{
    cache::Order,
    process::{
        control::{Control, Phase},
        documents, reload, scrape, upgrade, upstreams,
    },
    query::decode,
};

/// An answer with its whole body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) body: String,
    /// For 405.
    pub(super) allow: &'static str,
}

impl Answer {
    /// Plain text.
    pub(super) fn text(status: u16, body: impl Into<String>) -> Answer {
        Answer {
            status,
            media_type: "text/plain; charset=utf-8",
            body: body.into(),
            allow: "",
        }
    }

    /// JSON, for people to read too.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Answer {
        Answer {
            media_type: "application/json",
            ..Answer::text(status, format!("{body:#}\n"))
        }
    }
}

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Livez,
    Readyz,
    Metrics,
    Config,
    /// The document of an API, in a stage or in its first one.
    Api {
        id: String,
        stage: Option<String>,
    },
    Origins,
    SetDrained {
        origin: String,
        endpoint: Option<String>,
        drained: bool,
    },
    /// What the query says, of the response cache; empty: figures.
    Cache(String),
    /// What the body says, of keys and usage plans.
    Store,
    Reload,
    Upgrade,
    /// Blocks a worker for good, so that a test can see the watchdog; not in release builds.
    Block(usize),
}

/// Why a request is no action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// There is no such path.
    Unknown,
    /// The path takes another method.
    Method(&'static str),
    /// Only on the socket.
    SocketOnly,
}

const READ: &str = "GET, HEAD";
const ORDER: &str = "POST";

/// The table. `trusted`: the request came over the socket.
fn route(method: Method, path: &str, trusted: bool) -> Result<Action, Refusal> {
    let parts: Option<Vec<String>> = path.split('/').skip(1).map(decode).collect();
    let parts = parts.ok_or(Refusal::Unknown)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let drained = |word: &str| word == "drain";
    // Path, the methods it takes, and whether anybody on this host may ask.
    let (action, allow, is_open) = match parts[..] {
        ["livez"] => (Action::Livez, READ, true),
        ["readyz"] => (Action::Readyz, READ, true),
        ["metrics"] => (Action::Metrics, READ, true),
        ["config"] => (Action::Config, READ, false),
        ["apis", id] => (api(id, None), READ, false),
        ["apis", id, stage] => (api(id, Some(stage)), READ, false),
        ["origins"] => (Action::Origins, READ, false),
        ["origins", origin, word @ ("drain" | "undrain")] => {
            (set_drained(origin, None, drained(word)), ORDER, false)
        }
        ["origins", origin, endpoint, word @ ("drain" | "undrain")] => {
            let action = set_drained(origin, Some(endpoint), drained(word));
            (action, ORDER, false)
        }
        ["cache"] => (Action::Cache(String::new()), READ, false),
        ["cache", "entry"] => (Action::Cache("entry".to_owned()), READ, false),
        ["cache", word @ ("flush" | "purge" | "verify")] => {
            (Action::Cache(word.to_owned()), ORDER, false)
        }
        ["store"] => (Action::Store, ORDER, false),
        ["reload"] => (Action::Reload, ORDER, false),
        ["upgrade"] => (Action::Upgrade, ORDER, false),
        ["debug", "block", worker] if cfg!(debug_assertions) => {
            let worker = worker.parse().map_err(|_| Refusal::Unknown)?;
            (Action::Block(worker), ORDER, false)
        }
        _ => return Err(Refusal::Unknown),
    };
    if !trusted && !is_open {
        return Err(Refusal::SocketOnly);
    }
    let fits = match method {
        Method::Get | Method::Head => allow == READ,
        Method::Post => allow == ORDER,
        _ => false,
    };
    if fits {
        Ok(action)
    } else {
        Err(Refusal::Method(allow))
    }
}

/// Requests for `path` have a body.
pub(super) fn has_body(path: &[u8]) -> bool {
    path == b"/store"
}

fn api(id: &str, stage: Option<&str>) -> Action {
    Action::Api {
        id: id.to_owned(),
        stage: stage.map(str::to_owned),
    }
}

fn set_drained(origin: &str, endpoint: Option<&str>, drained: bool) -> Action {
    Action::SetDrained {
        origin: origin.to_owned(),
        endpoint: endpoint.map(str::to_owned),
        drained,
    }
}

/// Does what was asked.
pub(super) async fn answer(
    control: &Rc<Control>,
    (method, path, query): (Method, &str, &[u8]),
    body: &[u8],
    trusted: bool,
) -> Answer {
    let action = match route(method, path, trusted) {
        Ok(action) => action,
        Err(Refusal::Unknown) => return Answer::text(404, "there is no such path\n"),
        Err(Refusal::SocketOnly) => {
            return Answer::text(403, "this is answered on the admin socket only\n");
        }
        Err(Refusal::Method(allow)) => {
            let answer = Answer::text(405, format!("this path takes {allow}\n"));
            return Answer { allow, ..answer };
        }
    };
    match action {
        Action::Livez => Answer::text(200, "alive\n"),
        Action::Readyz => readyz(control, query == b"verbose"),
        Action::Metrics => Answer {
            media_type: CONTENT_TYPE,
            ..Answer::text(200, scrape::metrics(control).await)
        },
        Action::Config => Answer::json(200, &config(control)),
        Action::Api { id, stage } => {
            let documents = control.documents.borrow();
            match documents::find(&documents, &id, stage.as_deref()) {
                Some(running) => Answer::json(200, &json!(running)),
                None => Answer::text(404, "no such API or stage is served\n"),
            }
        }
        Action::Origins => {
            let list = upstreams::list(&control.blueprint.borrow(), control.core.now());
            Answer::json(200, &json!(list))
        }
        Action::SetDrained {
            origin,
            endpoint,
            drained,
        } => {
            let blueprint = control.blueprint.borrow();
            let count = upstreams::set_drained(&blueprint, &origin, endpoint.as_deref(), drained);
            match count {
                0 => Answer::text(404, "no origin or endpoint has this name\n"),
                _ => Answer::json(200, &json!({"endpoints": count, "drained": drained})),
            }
        }
        Action::Cache(word) => match Order::of_request(&word, query) {
            Ok(order) => cache::answer(control, order).await,
            Err(refused) => Answer::text(refused.status, format!("{}\n", refused.reason)),
        },
        Action::Store => store::answer(control, body).await,
        Action::Reload => {
            let outcome = reload::reload(control).await;
            let status = if outcome.ok { 200 } else { 409 };
            let revision = control.revision.get();
            let body = json!({"ok": outcome.ok, "revision": revision, "report": outcome.report});
            Answer::json(status, &body)
        }
        Action::Upgrade => match upgrade::upgrade(control).await {
            Ok(pid) => Answer::json(200, &json!({"ok": true, "pid": pid})),
            Err(reason) => Answer::json(409, &json!({"ok": false, "reason": reason})),
        },
        Action::Block(worker) => block(control, worker),
    }
}

fn readyz(control: &Control, verbose: bool) -> Answer {
    let (status, word) = match control.phase.get() {
        Phase::Serving => (200, "ready"),
        Phase::Draining | Phase::Hurrying => (503, "draining"),
    };
    if !verbose {
        return Answer::text(status, format!("{word}\n"));
    }
    let config = if control.last_load.borrow().ok {
        "ok"
    } else if control.memory.instead().is_some() {
        "the last good one serves, see /config"
    } else {
        "the newest one was refused, see /config"
    };
    let revision = control.revision.get();
    let pressure = control.pressure().name();
    Answer::text(
        status,
        format!("{word}\nrevision: {revision}\nconfiguration: {config}\npressure: {pressure}\n"),
    )
}

fn config(control: &Control) -> serde_json::Value {
    let last = control.last_load.borrow();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "revision": control.revision.get(),
        "instead": control.memory.instead(),
        "api_keys": control.keeper.limits().directory().keys_count(),
        "last_load": {"ok": last.ok, "at_ms": last.at.0, "report": last.report},
        "reloads": {"ok": control.reloads_ok.get(), "failed": control.reloads_failed.get(),
                    "reverted": control.reloads_reverted.get()},
    })
}

/// A worker that never comes back, in builds with assertions.
fn block(control: &Control, worker: usize) -> Answer {
    let workers = control.workers.borrow();
    let post = workers.as_ref().and_then(|all| all.posts().get(worker));
    let Some(post) = post.filter(|_| cfg!(debug_assertions)) else {
        return Answer::text(404, "there is no such worker\n");
    };
    let order = tidegate_edge::server::Order::Histograms(Box::new(|_| {
        loop {
            std::hint::spin_loop();
        }
    }));
    match post.send(&control.core, order) {
        Ok(()) => Answer::text(200, "blocked\n"),
        Err(_) => Answer::text(409, "its box is full\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_methods_and_its_door() {
        let drain = |origin: &str, endpoint: Option<&str>, drained| {
            Ok(set_drained(origin, endpoint, drained))
        };
        // Method, path, over the socket?, expected
        let rows = [
            (Method::Get, "/livez", false, Ok(Action::Livez)),
            (Method::Head, "/readyz", false, Ok(Action::Readyz)),
            (Method::Get, "/metrics", false, Ok(Action::Metrics)),
            (Method::Get, "/config", true, Ok(Action::Config)),
            (Method::Get, "/config", false, Err(Refusal::SocketOnly)),
            (
                Method::Get,
                "/cache",
                true,
                Ok(Action::Cache(String::new())),
            ),
            (Method::Get, "/cache", false, Err(Refusal::SocketOnly)),
            (
                Method::Get,
                "/cache/purge",
                true,
                Err(Refusal::Method(ORDER)),
            ),
            (Method::Post, "/cache/other", true, Err(Refusal::Unknown)),
            (Method::Post, "/store", true, Ok(Action::Store)),
            (Method::Post, "/store", false, Err(Refusal::SocketOnly)),
            (Method::Get, "/store", true, Err(Refusal::Method(ORDER))),
            (Method::Post, "/reload", true, Ok(Action::Reload)),
            (Method::Post, "/reload", false, Err(Refusal::SocketOnly)),
            (Method::Get, "/reload", true, Err(Refusal::Method(ORDER))),
            (Method::Post, "/upgrade", true, Ok(Action::Upgrade)),
            (Method::Put, "/livez", true, Err(Refusal::Method(READ))),
            (Method::Get, "/apis/a1", true, Ok(api("a1", None))),
            (
                Method::Get,
                "/apis/a1/dev",
                true,
                Ok(api("a1", Some("dev"))),
            ),
            (Method::Get, "/apis/a1", false, Err(Refusal::SocketOnly)),
            (Method::Get, "/apis", true, Err(Refusal::Unknown)),
            (Method::Get, "/origins", true, Ok(Action::Origins)),
            (
                Method::Post,
                "/origins/pets/drain",
                true,
                drain("pets", None, true),
            ),
            (
                Method::Post,
                "/origins/pets/eu/undrain",
                true,
                drain("pets", Some("eu"), false),
            ),
            (
                Method::Post,
                "/origins/https%3A%2F%2Fa:8443/drain",
                true,
                drain("https://a:8443", None, true),
            ),
            (Method::Post, "/origins/pets", true, Err(Refusal::Unknown)),
            (
                Method::Post,
                "/origins/%zz/drain",
                true,
                Err(Refusal::Unknown),
            ),
            (Method::Get, "/", true, Err(Refusal::Unknown)),
            (Method::Get, "/livez/", true, Err(Refusal::Unknown)),
        ];
        for (method, path, trusted, expected) in rows {
            assert_eq!(route(method, path, trusted), expected, "{method:?} {path}");
        }
    }
}
