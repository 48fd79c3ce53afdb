//! What a client gets of what the model stores.

use super::{
    model_entry::Entry,
    model_text::{head_fields, list, parse_date},
    text::Message,
    toy::Reply,
};

/// RFC 9110 sections 13.2.2, 14.2: what the client gets of a stored response.
pub(crate) fn give(request: &Message, entry: &Entry, age_s: Option<u64>) -> Reply {
    let mut message = entry.response.clone();
    let length = message.body.len();
    let is_success = (200..300).contains(&message.status());
    let mut range = None;
    if is_success && is_unchanged(request, entry) {
        message.start = "304".to_owned();
        message.body.clear();
        let has_tag = message.get("ETag").is_some();
        message.fields.retain(|(name, _)| {
            let name = name.to_lowercase();
            let always = [
                "cache-control",
                "date",
                "etag",
                "expires",
                "vary",
                "cdn-cache-control",
            ];
            always.contains(&name.as_str()) || (name == "last-modified" && !has_tag)
        });
    } else if message.status() == 200 && request.start.starts_with("GET ") {
        range = wanted_range(request, entry);
    }
    match range {
        Some(Ok((first, last))) => {
            message.start = "206".to_owned();
            message.body = message.body[first..=last].to_owned();
            message.set("Content-Range", &format!("bytes {first}-{last}/{length}"));
        }
        Some(Err(())) => {
            message = Message::new("416", &[], "");
            message.set("Content-Range", &format!("bytes */{length}"));
        }
        None => {}
    }
    if !matches!(message.status(), 204 | 304) {
        let bytes = message.body.len();
        message.set("Content-Length", &bytes.to_string());
    }
    if let (Some(age_s), false) = (age_s, message.status() == 416) {
        message.set("Age", &age_s.to_string());
    }
    if request.start.starts_with("HEAD ") {
        message.body.clear();
    }
    Reply {
        message,
        from_store: true,
    }
}

pub(crate) fn is_unchanged(request: &Message, entry: &Entry) -> bool {
    let tags = head_fields(request, "If-None-Match");
    if !tags.is_empty() {
        let own = entry
            .response
            .get("ETag")
            .unwrap_or("")
            .trim_start_matches("W/");
        return tags
            .iter()
            .flat_map(|line| list(line))
            .any(|tag| tag == "*" || (tag.trim_start_matches("W/") == own && !own.is_empty()));
    }
    let since_s = request.get("If-Modified-Since").and_then(parse_date);
    let changed = entry.response.get("Last-Modified").and_then(parse_date);
    since_s.is_some_and(|since_s| changed.unwrap_or(entry.date_s()) <= since_s)
}

/// The range that is given; `Err` for one that cannot be.
pub(crate) fn wanted_range(request: &Message, entry: &Entry) -> Option<Result<(usize, usize), ()>> {
    let length = entry.response.body.len();
    let text = request.get("Range")?.strip_prefix("bytes=")?;
    let (from, to) = text.split_once('-').filter(|_| !text.contains(','))?;
    let from: Option<usize> = if from.is_empty() {
        None
    } else {
        Some(from.parse().ok()?)
    };
    let to: Option<usize> = if to.is_empty() {
        None
    } else {
        Some(to.parse().ok()?)
    };
    let found = match (from, to) {
        (None, None) => return None,
        (Some(from), Some(to)) if to < from => return None,
        (None, Some(0)) => Err(()),
        (None, Some(_)) if length == 0 => return None,
        (None, Some(suffix)) => Ok((length.saturating_sub(suffix), length - 1)),
        (Some(from), _) if from >= length => Err(()),
        (Some(from), to) => Ok((from, to.unwrap_or(length).min(length - 1))),
    };
    let Some(condition) = request.get("If-Range") else {
        return Some(found);
    };
    let holds = if condition.starts_with('"') {
        entry.response.get("ETag") == Some(condition)
    } else {
        let changed = entry.response.get("Last-Modified").and_then(parse_date);
        parse_date(condition)
            .is_some_and(|condition_s| changed == Some(condition_s) && condition_s < entry.date_s())
    };
    holds.then_some(found)
}

pub(crate) fn plain(message: Message) -> Reply {
    Reply {
        message,
        from_store: false,
    }
}

pub(crate) fn own(status: u16) -> Reply {
    plain(Message::new(&status.to_string(), &[], ""))
}
