//! RFC 9111 for a shared cache, written as its text goes and without a thought for speed.
//!
//! Text in, decision out: lists of fields, strings, and one list of all stored responses. It shares
//! no code with the cache; only the choices that the RFC leaves open are the same, and named here:
//! a response without validator that is stale from the start is not stored; a full answer other
//! than a 5xx ends the response that it was asked about; a failing origin is covered for a day
//! unless the response says otherwise; several ranges get the whole.

use super::{
    model_answer::{give, own, plain},
    model_entry::{
        Directives, Entry, has, has_plain, is_useful, merge, number, storable, stored_form,
    },
    model_text::{directives, head_fields, list, parse_date},
    text::Message,
    toy::{Origin, Reply},
};

/// A cache in memory.
pub(crate) struct Model {
    /// Client directives count.
    honours: bool,
    /// How long an origin takes.
    delay_ms: u64,
    stored: Vec<Entry>,
}

impl Model {
    pub(crate) fn new(honours: bool, delay_ms: u64) -> Model {
        Model {
            honours,
            delay_ms,
            stored: Vec::new(),
        }
    }

    pub(crate) fn handle(
        &mut self,
        request: &Message,
        now_ms: u64,
        origin: &mut dyn Origin,
    ) -> Reply {
        let (method, target) = request.start.split_once(' ').expect("a request line");
        let is_retrieval = matches!(method, "GET" | "HEAD");
        let is_origins = ["If-Match", "If-Unmodified-Since"]
            .iter()
            .any(|name| request.get(name).is_some());
        let has_body = request
            .get("Content-Length")
            .is_some_and(|length| length != "0");
        if !is_retrieval || is_origins || has_body {
            return self.pass(request, method, target, origin);
        }
        let found = self
            .stored
            .iter()
            .position(|entry| entry.target == target && entry.is_selected_by(request));
        let asks = self.asks(request);
        let Some(at) = found else {
            if has(&asks, "only-if-cached") {
                return own(504);
            }
            return self.fetch(request, None, now_ms, origin);
        };
        let entry = self.stored[at].clone();
        let age_ms = entry.age_ms(now_ms);
        match self.may_use(&entry, &asks, age_ms) {
            Use::Yes => give(request, &entry, Some(age_ms / 1000)),
            Use::AndRefresh => {
                let reply = give(request, &entry, Some(age_ms / 1000));
                self.fetch(request, Some(at), now_ms, origin);
                reply
            }
            Use::No if has(&asks, "only-if-cached") => own(504),
            Use::No => self.fetch(request, Some(at), now_ms, origin),
        }
    }

    fn asks(&self, request: &Message) -> Directives {
        if !self.honours {
            return Vec::new();
        }
        let mut asks = directives(request);
        let pragma = head_fields(request, "Pragma");
        let is_old = request.get("Cache-Control").is_none();
        if is_old
            && pragma
                .iter()
                .flat_map(|line| list(line))
                .any(|word| word == "no-cache")
        {
            asks.push(("no-cache".to_owned(), None));
        }
        asks
    }

    /// Section 4, 4.2.4 and 5.2.1.
    fn may_use(&self, entry: &Entry, asks: &Directives, age_ms: u64) -> Use {
        let lifetime_ms = entry.lifetime_ms();
        let is_fresh = lifetime_ms > age_ms;
        if has_plain(&entry.allows(), "no-cache") || has(asks, "no-cache") {
            return Use::No;
        }
        if let Some(most_s) = number(asks, "max-age") {
            let is_reload = most_s == 0 && is_fresh && has(&entry.allows(), "immutable");
            if age_ms > most_s * 1000 && !is_reload {
                return Use::No;
            }
        }
        if let Some(least_s) = number(asks, "min-fresh")
            && (!is_fresh || lifetime_ms - age_ms < least_s * 1000)
        {
            return Use::No;
        }
        if is_fresh {
            return Use::Yes;
        }
        let stale_ms = age_ms - lifetime_ms;
        let refresh_ms = entry.window_ms("stale-while-revalidate", 0);
        if stale_ms < refresh_ms && !has(asks, "max-age") {
            return Use::AndRefresh;
        }
        let any = asks
            .iter()
            .any(|(name, value)| name == "max-stale" && value.is_none());
        let takes =
            any || number(asks, "max-stale").is_some_and(|most_s| stale_ms <= most_s * 1000);
        let forbids = entry.must_revalidate() || has(&entry.allows(), "s-maxage");
        if takes && !forbids { Use::Yes } else { Use::No }
    }

    /// Section 4.4 for what is not a retrieval; whatever else is none of ours.
    fn pass(
        &mut self,
        request: &Message,
        method: &str,
        target: &str,
        origin: &mut dyn Origin,
    ) -> Reply {
        let Some(answered) = origin.ask(request) else {
            return own(502);
        };
        let is_safe = matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE");
        if !is_safe && (200..400).contains(&answered.status()) {
            self.stored.retain(|entry| entry.target != target);
            for name in ["Location", "Content-Location"] {
                if let Some(reference) = answered.get(name) {
                    let same = reference.strip_prefix("http://host").unwrap_or(reference);
                    self.stored.retain(|entry| entry.target != same);
                }
            }
        }
        plain(answered)
    }

    fn fetch(
        &mut self,
        request: &Message,
        about: Option<usize>,
        now_ms: u64,
        origin: &mut dyn Origin,
    ) -> Reply {
        let mut forwarded = request.clone();
        for name in ["If-None-Match", "If-Modified-Since", "If-Range", "Range"] {
            forwarded.drop(name);
        }
        let entry = about.map(|at| self.stored[at].clone());
        if let Some(entry) = &entry {
            // Section 4.3.1.
            if let Some(tag) = entry.response.get("ETag") {
                forwarded.set("If-None-Match", tag);
            }
            if let Some(text) = entry.response.get("Last-Modified")
                && parse_date(text).is_some()
            {
                forwarded.set("If-Modified-Since", text);
            }
        }
        let answered = origin.ask(&forwarded);
        let failed = answered
            .as_ref()
            .is_none_or(|answered| [500, 502, 503, 504].contains(&answered.status()));
        if let (true, Some(entry)) = (failed, &entry) {
            let age_ms = entry.age_ms(now_ms);
            let asks = self.asks(request);
            let mut window_ms = entry.window_ms("stale-if-error", 86_400);
            let forbids = entry.must_revalidate() || has(&entry.allows(), "s-maxage");
            if let (Some(seconds), false) = (number(&asks, "stale-if-error"), forbids) {
                window_ms = window_ms.max(seconds * 1000);
            }
            let stale_ms = age_ms.saturating_sub(entry.lifetime_ms());
            if stale_ms < window_ms && !has(&asks, "no-cache") {
                return give(request, entry, Some(age_ms / 1000));
            }
            if answered.is_none() && forbids {
                return own(504);
            }
        }
        let Some(answered) = answered else {
            return own(502);
        };
        let response_ms = now_ms + self.delay_ms;
        match (about, entry) {
            (Some(at), Some(entry)) if answered.status() == 304 => {
                self.freshen(request, at, &entry, &answered, now_ms, origin)
            }
            (Some(at), Some(entry)) if request.start.starts_with("HEAD ") => {
                self.head(request, at, &entry, &answered, now_ms, response_ms);
                plain(answered)
            }
            (about, _) => self.keep(request, about, answered, now_ms, response_ms),
        }
    }

    /// Section 3, and what becomes of the response that was asked about.
    fn keep(
        &mut self,
        request: &Message,
        about: Option<usize>,
        answered: Message,
        now_ms: u64,
        response_ms: u64,
    ) -> Reply {
        let entry = stored_form(request, &answered, now_ms, response_ms);
        let is_stored = storable(request, &answered, false).is_some() && is_useful(&entry);
        let is_get = request.start.starts_with("GET ");
        let ends = is_get && !matches!(answered.status(), 206 | 304 | 500..);
        if let (true, Some(at)) = (ends || is_stored, about) {
            self.stored.remove(at);
        }
        if !is_stored {
            return plain(answered);
        }
        let reply = give(request, &entry, None);
        self.stored
            .retain(|other| other.target != entry.target || !other.is_selected_by(request));
        self.stored.push(entry);
        let is_whole = reply.message.status() == answered.status();
        if is_whole { plain(answered) } else { reply }
    }

    /// Sections 3.2 and 4.3.4.
    fn freshen(
        &mut self,
        request: &Message,
        at: usize,
        entry: &Entry,
        answered: &Message,
        now_ms: u64,
        origin: &mut dyn Origin,
    ) -> Reply {
        let old_tag = entry.response.get("ETag").unwrap_or("");
        let is_same = match (answered.get("ETag"), answered.get("Last-Modified")) {
            (Some(tag), _) if !tag.starts_with("W/") => tag == old_tag,
            (Some(tag), _) => tag.trim_start_matches("W/") == old_tag.trim_start_matches("W/"),
            (None, Some(text)) => Some(text) == entry.response.get("Last-Modified"),
            (None, None) => true,
        };
        if !is_same {
            self.stored.remove(at);
            return self.fetch(request, None, now_ms, origin);
        }
        let merged = merge(entry, answered);
        let response_ms = now_ms + self.delay_ms;
        let renewed = stored_form(request, &merged, now_ms, response_ms);
        let may_store = storable(request, &merged, true).is_some() && is_useful(&renewed);
        if may_store {
            self.stored[at] = renewed.clone();
            return give(request, &renewed, Some(renewed.age_ms(response_ms) / 1000));
        }
        // Whose fault it is decides whether others may go on with what is stored.
        let mut anybody = request.clone();
        anybody.drop("Authorization");
        anybody.drop("Cache-Control");
        let is_responses = storable(&anybody, &merged, true).is_none() || !is_useful(&renewed);
        let is_mine = directives(request)
            .iter()
            .any(|(name, _)| name == "no-store");
        if is_responses && !is_mine {
            self.stored.remove(at);
        }
        plain(merged)
    }

    /// Section 4.3.5; what HEAD does not find any more is not there for GET either.
    fn head(
        &mut self,
        request: &Message,
        at: usize,
        entry: &Entry,
        answered: &Message,
        now_ms: u64,
        response_ms: u64,
    ) {
        if entry.response.status() != 200 {
            return;
        }
        if [404, 410].contains(&answered.status()) {
            self.stored.remove(at);
            return;
        }
        if answered.status() != 200 {
            return;
        }
        let is_same = |name| match answered.get(name) {
            Some(text) => entry.response.get(name) == Some(text),
            None => true,
        };
        let length = answered.get("Content-Length");
        let fits = length.is_none_or(|length| length == entry.response.body.len().to_string());
        if !(is_same("ETag") && is_same("Last-Modified") && fits) {
            self.stored.remove(at);
            return;
        }
        let merged = merge(entry, answered);
        let renewed = stored_form(request, &merged, now_ms, response_ms);
        if storable(request, &merged, true).is_some() && is_useful(&renewed) {
            self.stored[at] = renewed;
        }
    }
}

enum Use {
    Yes,
    AndRefresh,
    No,
}
