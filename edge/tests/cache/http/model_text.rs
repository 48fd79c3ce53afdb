//! The texts that the model reads, taken apart the slow way.

use super::text::Message;

/// The values of all fields named `name`.
pub(crate) fn head_fields(message: &Message, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (known, value) in &message.fields {
        if known.to_lowercase() == name.to_lowercase() {
            found.push(value.clone());
        }
    }
    found
}

/// A comma list: commas in quotes do not count, blanks and empty elements neither.
pub(crate) fn list(text: &str) -> Vec<String> {
    let mut elements = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        if letter == '"' {
            quoted = !quoted;
        }
        if letter == ',' && !quoted {
            elements.push(String::new());
        } else {
            elements.last_mut().expect("one").push(letter);
        }
    }
    let elements = elements.iter().map(|element| element.trim().to_owned());
    elements.filter(|element| !element.is_empty()).collect()
}

/// Cache-Control: names in lower case, values without quotes.
pub(crate) fn directives(message: &Message) -> Vec<(String, Option<String>)> {
    let lines = head_fields(message, "Cache-Control");
    let elements = lines.iter().flat_map(|line| list(line));
    elements
        .map(|element| match element.split_once('=') {
            Some((name, value)) => (name.to_lowercase(), Some(value.replace('"', ""))),
            None => (element.to_lowercase(), None),
        })
        .collect()
}

/// CDN-Cache-Control, when there is one that is right: words in lower case, with numbers or
/// without.
pub(crate) fn targeted(message: &Message) -> Option<Vec<(String, Option<String>)>> {
    let lines = head_fields(message, "CDN-Cache-Control");
    let text = lines.first()?;
    let mut found = Vec::new();
    for element in text.split(", ") {
        let (name, value) = match element.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (element, None),
        };
        let is_word = name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if name.is_empty() || !is_word || value.is_some_and(|value| parse_delta(value).is_none()) {
            return None;
        }
        found.push((name.to_owned(), value.map(str::to_owned)));
    }
    Some(found)
}

/// Digits alone are a number.
pub(crate) fn parse_delta(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    is_number.then(|| text.parse::<u64>().expect("digits").min(1 << 31))
}

/// `Tue, 09 Sep 2025 06:40:00 GMT`, counted day by day.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, clock, "GMT"] = words[..] else {
        return None;
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)?;
    let year: i64 = year.parse().ok()?;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = |year| {
        [
            31,
            if leap(year) { 29 } else { 28 },
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ]
    };
    let mut days: i64 = day.parse::<i64>().ok()? - 1;
    for past in 1970..year {
        days += lengths(past).iter().sum::<i64>();
    }
    days += lengths(year)[..month].iter().sum::<i64>();
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + part.parse::<i64>().ok()?;
    }
    Some(days * 86_400 + seconds)
}

/// Whether the values of a selecting field match: RFC 9111 section 4.1.
pub(crate) fn same_value(one: &[String], other: &[String]) -> bool {
    let normal = |lines: &[String]| lines.iter().flat_map(|line| list(line)).collect::<Vec<_>>();
    one.is_empty() == other.is_empty() && normal(one) == normal(other)
}

/// Whether the field `name`, in lower case, is for one connection alone.
pub(crate) fn is_hop_by_hop(message: &Message, name: &str) -> bool {
    let always = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named = head_fields(message, "Connection");
    always.contains(&name)
        || named
            .iter()
            .flat_map(|line| list(line))
            .any(|other| other.to_lowercase() == name)
}
