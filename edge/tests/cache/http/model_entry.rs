//! What the model stores, and what it reads from it.

use super::{
    model_text::{
        directives, head_fields, is_hop_by_hop, list, parse_date, parse_delta, same_value, targeted,
    },
    text::{Message, date},
};

/// A stored response.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) target: String,
    /// The request it answered.
    pub(crate) request: Message,
    /// Start and fields as stored, and the body.
    pub(crate) response: Message,
    /// Age field of the response as it came.
    pub(crate) age_s: u64,
    pub(crate) request_ms: u64,
    pub(crate) response_ms: u64,
}

pub(crate) type Directives = Vec<(String, Option<String>)>;

pub(crate) fn has(directives: &Directives, name: &str) -> bool {
    directives.iter().any(|(known, _)| known == name)
}

/// The first value of a number; what is no number counts as 0.
pub(crate) fn number(directives: &Directives, name: &str) -> Option<u64> {
    let found = directives.iter().find(|(known, _)| known == name)?;
    Some(found.1.as_deref().and_then(parse_delta).unwrap_or(0))
}

/// The directives that count for us: RFC 9213 section 2.2.
pub(crate) fn allowed(response: &Message) -> Directives {
    targeted(response).unwrap_or_else(|| directives(response))
}

/// The unqualified form: no quoted list of names.
pub(crate) fn has_plain(directives: &Directives, name: &str) -> bool {
    directives
        .iter()
        .any(|(known, value)| known == name && value.is_none())
}

impl Entry {
    pub(crate) fn allows(&self) -> Directives {
        allowed(&self.response)
    }

    pub(crate) fn date_s(&self) -> i64 {
        parse_date(self.response.get("Date").expect("always there")).expect("always valid")
    }

    /// Section 4.2.3, in milliseconds.
    pub(crate) fn age_ms(&self, now_ms: u64) -> u64 {
        let response_s = i64::try_from(self.response_ms / 1000).expect("small");
        let apparent_s = (response_s - self.date_s()).max(0);
        let delay_ms = self.response_ms - self.request_ms;
        let corrected_ms = self.age_s * 1000 + delay_ms;
        let initial_ms = corrected_ms.max(u64::try_from(apparent_s).expect("positive") * 1000);
        initial_ms + (now_ms - self.response_ms)
    }

    /// Section 4.2.1.
    pub(crate) fn lifetime_ms(&self) -> u64 {
        let allows = self.allows();
        let seconds = if let Some(seconds) = number(&allows, "s-maxage") {
            seconds
        } else if let Some(seconds) = number(&allows, "max-age") {
            seconds
        } else if let (Some(text), None) = (self.response.get("Expires"), targeted(&self.response))
        {
            let expires_s = parse_date(text).unwrap_or(0);
            u64::try_from((expires_s - self.date_s()).max(0)).expect("positive")
        } else if is_guessable(&self.response) {
            // Section 4.2.2.
            let changed_s = self.response.get("Last-Modified").and_then(parse_date);
            let unchanged_s = changed_s.map_or(0, |changed_s| (self.date_s() - changed_s).max(0));
            u64::try_from(unchanged_s).expect("positive") / 10
        } else {
            0
        };
        let most_s = if has_lifetime(&self.response) {
            31_536_000
        } else {
            86_400
        };
        seconds.min(most_s) * 1000
    }

    pub(crate) fn must_revalidate(&self) -> bool {
        let allows = self.allows();
        ["must-revalidate", "proxy-revalidate"]
            .iter()
            .any(|name| has(&allows, name))
            || has_plain(&allows, "no-cache")
    }

    /// RFC 5861, as far as nothing forbids it.
    pub(crate) fn window_ms(&self, name: &str, otherwise_s: u64) -> u64 {
        if self.must_revalidate() {
            return 0;
        }
        let allows = self.allows();
        let otherwise_s = if has(&allows, "s-maxage") {
            0
        } else {
            otherwise_s
        };
        number(&allows, name).unwrap_or(otherwise_s) * 1000
    }

    /// Section 4.1.
    pub(crate) fn is_selected_by(&self, request: &Message) -> bool {
        let names = head_fields(&self.response, "Vary");
        names.iter().flat_map(|line| list(line)).all(|name| {
            same_value(
                &head_fields(&self.request, &name),
                &head_fields(request, &name),
            )
        })
    }

    pub(crate) fn has_validator(&self) -> bool {
        let changed = self.response.get("Last-Modified").and_then(parse_date);
        self.response.get("ETag").is_some() || changed.is_some()
    }
}

pub(crate) fn has_lifetime(response: &Message) -> bool {
    let allows = allowed(response);
    has(&allows, "max-age")
        || has(&allows, "s-maxage")
        || (response.get("Expires").is_some() && targeted(response).is_none())
}

pub(crate) fn is_guessable(response: &Message) -> bool {
    let status = response.status();
    [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].contains(&status)
        || has(&allowed(response), "public")
}

/// Section 3, in its order; `None` where nothing may be stored.
pub(crate) fn storable(request: &Message, response: &Message, is_update: bool) -> Option<()> {
    let unless = |forbidden: bool| (!forbidden).then_some(());
    let is_get = request.start.starts_with("GET ");
    let is_head = request.start.starts_with("HEAD ");
    let is_understood = is_get || (is_update && is_head);
    unless(!is_understood)?;
    let status = response.status();
    unless(status < 200 || status == 206 || status == 304)?;
    let allows = allowed(response);
    let understood = matches!(status, 200..=204 | 300..=303 | 307 | 308 | 400..=417 | 500..=505);
    unless(has(&allows, "must-understand") && !understood)?;
    unless(has(&allows, "no-store") && !has(&allows, "must-understand"))?;
    unless(has_plain(&allows, "private"))?;
    let shares = ["public", "s-maxage", "must-revalidate"];
    let is_shared = shares.iter().any(|name| has(&allows, name));
    unless(request.get("Authorization").is_some() && !is_shared)?;
    unless(!has_lifetime(response) && !is_guessable(response))?;
    // Ours: what nobody may store.
    unless(has(&directives(request), "no-store"))?;
    unless(response.get("Set-Cookie").is_some())?;
    let varies = head_fields(response, "Vary");
    unless(
        varies
            .iter()
            .flat_map(|line| list(line))
            .any(|name| name == "*"),
    )?;
    let is_delimited = response.get("Content-Length").is_some()
        || response.get("Transfer-Encoding").is_some()
        || status == 204;
    unless(!is_delimited)
}

/// Whether it is worth its place.
pub(crate) fn is_useful(entry: &Entry) -> bool {
    let is_fresh = entry.lifetime_ms() > entry.age_ms(entry.response_ms);
    let has_window = entry.window_ms("stale-if-error", 0) > 0
        || entry.window_ms("stale-while-revalidate", 0) > 0;
    let is_usable = is_fresh && !has_plain(&entry.allows(), "no-cache");
    is_usable || has_window || entry.has_validator()
}

/// Section 3.1: what is stored of a response.
pub(crate) fn stored_form(
    request: &Message,
    response: &Message,
    request_ms: u64,
    response_ms: u64,
) -> Entry {
    let (_, target) = request.start.split_once(' ').expect("a request line");
    let allows = allowed(response);
    let withheld: Vec<String> = allows
        .iter()
        .filter(|(name, value)| matches!(name.as_str(), "no-cache" | "private") && value.is_some())
        .flat_map(|(_, value)| list(value.as_deref().expect("a list")))
        .collect();
    let mut kept = response.clone();
    kept.fields.retain(|(name, _)| {
        let name = name.to_lowercase();
        let is_framing = ["content-length", "transfer-encoding", "age"].contains(&name.as_str());
        !is_framing
            && !is_hop_by_hop(response, &name)
            && !withheld
                .iter()
                .any(|other| other.eq_ignore_ascii_case(&name))
    });
    if kept.get("Date").and_then(parse_date).is_none() {
        kept.drop("Date");
        kept.set(
            "Date",
            &date(i64::try_from(response_ms / 1000).expect("small")),
        );
    }
    let age = head_fields(response, "Age");
    let age = age
        .first()
        .map_or("", |text| text.split(',').next().unwrap_or("").trim());
    Entry {
        target: target.to_owned(),
        request: request.clone(),
        response: kept,
        age_s: parse_delta(age).unwrap_or(0),
        request_ms,
        response_ms,
    }
}

/// Section 3.2.
pub(crate) fn merge(entry: &Entry, update: &Message) -> Message {
    let keeps = [
        "content-length",
        "content-encoding",
        "content-type",
        "content-range",
    ];
    let counts = |name: &str| {
        let name = name.to_lowercase();
        name != "set-cookie" && !keeps.contains(&name.as_str()) && !is_hop_by_hop(update, &name)
    };
    let mut merged = entry.response.clone();
    merged.drop("Date");
    for (name, _) in update.fields.iter().filter(|(name, _)| counts(name)) {
        merged.drop(name);
    }
    let added = update
        .fields
        .iter()
        .filter(|(name, _)| counts(name))
        .cloned();
    merged.fields.extend(added);
    if merged.status() != 204 {
        merged.set("Content-Length", &entry.response.body.len().to_string());
    }
    merged
}
