//! What the public HTTP caching conformance suite expects, under its names.
//!
//! A row is `KIND id :: step | step`. Kinds: `R` required, `O` optimal, `Y` and `N` questions with
//! our answer; `o` is an optimum that we do not reach, and must fail, so that the table stays true.
//! A step is `METHOD <request fields> [status] response fields ~ => expectations`, each part
//! optional; `~` waits three seconds afterwards, `!` is an origin that hangs up, `body=` its body.
//! In dates `@n` is n seconds from the origin's clock. Source: http-tests/cache-tests, tests/*.mjs.

use tidegate_edge::cache::http::{
    HttpCacheRules, KeyChoice, KeyPolicy, Normalise, RequestDirectivesRule, SetCookieRule,
};

use super::{
    text::{Message, START_S, after, date},
    toy::{Origin, Reply, Toy},
};

mod conditions;
mod freshness;
mod storing;
mod vary;

#[test]
fn rows_end_as_they_say() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (kind, id, steps) in rows() {
        let should_pass = matches!(kind, "R" | "O" | "Y");
        assert!(should_pass || matches!(kind, "o" | "N"), "{kind} {id}");
        let result = run(&mut toy(), steps);
        if result.is_ok() != should_pass {
            wrong.push(format!("{kind} {id}: {result:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 280, "{count} rows");
}

#[test]
fn whatever_is_required_holds_under_the_default_rules_too() {
    for (kind, id, steps) in rows() {
        let mut toy = Toy::new(HttpCacheRules::default(), KeyPolicy::default());
        // An answer with a cookie passes by default.
        if kind == "R" && id != "headers-store-Set-Cookie" {
            assert_eq!(run(&mut toy, steps), Ok(()), "{id}");
        }
    }
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let tables = [freshness::ROWS, storing::ROWS, vary::ROWS, conditions::ROWS];
    let lines = tables.into_iter().flat_map(str::lines);
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (kind, rest) = line.split_once(' ').expect(line);
        let (id, steps) = rest.split_once(" ::").expect(line);
        (kind, id, steps)
    })
}

/// The suite's own setting: client directives count, cookies may be stored, language lists are
/// sets.
fn toy() -> Toy {
    let rules = HttpCacheRules {
        request_directives: RequestDirectivesRule::Honour,
        set_cookie: SetCookieRule::Store,
        ..HttpCacheRules::default()
    };
    let choice = KeyChoice {
        normalise: Normalise {
            languages_unordered: true,
            ..Normalise::default()
        },
        ..KeyChoice::default()
    };
    Toy::new(rules, KeyPolicy::new(choice).expect("a policy"))
}

/// What one step says.
#[derive(Default)]
struct Step {
    request: Message,
    response: Message,
    hangs_up: bool,
    waits: bool,
    expectations: Vec<String>,
}

impl Step {
    fn of(text: &str, now_s: i64) -> Step {
        let (left, right) = text.split_once("=>").unwrap_or((text, ""));
        let mut left = left.trim();
        let mut step = Step::default();
        if let Some(rest) = left.strip_suffix('~') {
            step.waits = true;
            left = rest.trim();
        }
        let mut start = "GET /".to_owned();
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "M-SEARCH"] {
            if let Some(rest) = left.strip_prefix(method) {
                let (path, rest) = match rest.trim_start().split_once(' ') {
                    Some((path, behind)) if path.starts_with('/') => (path, behind),
                    _ if rest.trim_start().starts_with('/') => (rest.trim(), ""),
                    _ => ("/", rest),
                };
                start = format!("{method} {path}");
                left = rest.trim();
            }
        }
        let mut request_fields = vec![
            ("Pragma".to_owned(), "foo".to_owned()),
            ("Cache-Control".to_owned(), "nothing-to-see-here".to_owned()),
        ];
        if let Some((fields, rest)) = left.strip_prefix('<').and_then(|left| left.split_once('>')) {
            request_fields.extend(fields_of(fields, now_s));
            left = rest.trim();
        }
        let mut status = "200";
        if let Some((text, rest)) = left.strip_prefix('[').and_then(|left| left.split_once(']')) {
            status = text;
            left = rest.trim();
        }
        if let Some(rest) = left.strip_prefix('!') {
            step.hangs_up = true;
            left = rest.trim();
        }
        let mut body = "0123456789".to_owned();
        if let Some(rest) = left.strip_prefix("body=") {
            let (text, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            body = text.to_owned();
            left = rest.trim();
        }
        if matches!(status, "204" | "304") {
            body.clear();
        }
        step.request = Message {
            start,
            fields: request_fields,
            body: String::new(),
        };
        step.response = Message {
            start: status.to_owned(),
            fields: fields_of(left, now_s),
            body,
        };
        let words = right.split(',').map(str::trim);
        step.expectations = words
            .filter(|word| !word.is_empty())
            .map(|word| word.replace(';', ","))
            .collect();
        step
    }
}

fn fields_of(text: &str, now_s: i64) -> Vec<(String, String)> {
    let fields = text.split(" ; ").map(str::trim);
    fields
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, value) = field.split_once(':').expect(field);
            let value = match value.trim().strip_prefix('@') {
                Some(delta) => date(now_s + delta.parse::<i64>().expect(field)),
                None => value.trim().to_owned(),
            };
            (name.trim().to_owned(), value)
        })
        .collect()
}

/// The suite's origin: it answers as the step says, or 304 where that is expected.
struct StepOrigin<'s> {
    step: &'s Step,
    before: Option<&'s Message>,
    number: usize,
    seen: &'s mut Vec<(usize, Message)>,
}

impl Origin for StepOrigin<'_> {
    fn ask(&mut self, request: &Message) -> Option<Message> {
        self.seen.push((self.number, request.clone()));
        if self.step.hangs_up {
            return None;
        }
        let mut answer = self.step.response.clone();
        let expects = |word: &str| self.step.expectations.iter().any(|known| known == word);
        if expects("etag") || expects("lm") {
            let is_same = |condition, validator| {
                let own = self.before.and_then(|before| before.get(validator));
                own.is_some() && request.get(condition) == own
            };
            let is_known =
                is_same("If-None-Match", "ETag") || is_same("If-Modified-Since", "Last-Modified");
            answer.start = if is_known { "304" } else { "599" }.to_owned();
            answer.body.clear();
        }
        answer.set("Server-Request-Count", &self.seen.len().to_string());
        if !matches!(answer.status(), 204 | 304) && answer.get("Content-Length").is_none() {
            answer.set("Content-Length", &answer.body.len().to_string());
        }
        Some(answer)
    }
}

fn run(toy: &mut Toy, steps: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    let mut now_s = 0u64;
    let mut before: Option<Message> = None;
    for (at, text) in steps.split(" | ").enumerate() {
        let clock_s = START_S + i64::try_from(now_s).expect("small");
        let step = Step::of(text, clock_s);
        let number = at + 1;
        let mut origin = StepOrigin {
            step: &step,
            before: before.as_ref(),
            number,
            seen: &mut seen,
        };
        let reply = toy.handle(&step.request, after(now_s), &mut origin);
        let own = seen.iter().rev().find(|(known, _)| *known == number);
        let fault = |text: String| Err(format!("step {number}: {text}; got {reply:?}"));
        if let Err(text) = check(&step, &reply, own.map(|(_, request)| request), number) {
            return fault(text);
        }
        before = Some(step.response.clone());
        now_s += if step.waits { 3 } else { 0 };
    }
    Ok(())
}

fn check(step: &Step, reply: &Reply, seen: Option<&Message>, number: usize) -> Result<(), String> {
    let message = &reply.message;
    let count = message
        .get("Server-Request-Count")
        .map(|count| count.parse::<usize>().expect("a number"));
    let mut status = if step.hangs_up { 0 } else { 200 };
    if step.response.start != "200" {
        status = step.response.status();
    }
    for word in &step.expectations {
        let is_met = match word.as_str() {
            "cached" => {
                status = if status == 0 { 200 } else { status };
                count.map_or(message.status() == 304, |count| count < number)
            }
            "new" => count == Some(number),
            "etag" => seen.is_some_and(|seen| seen.get("If-None-Match").is_some()),
            "lm" => seen.is_some_and(|seen| seen.get("If-Modified-Since").is_some()),
            "none" => {
                status = message.status();
                count.is_none()
            }
            _ if word.parse::<u16>().is_ok() => {
                status = word.parse().expect("a status");
                true
            }
            _ => met(word, message, seen),
        };
        if !is_met {
            return Err(format!("not {word}"));
        }
    }
    if message.status() != status && status != 0 {
        return Err(format!("not {status}"));
    }
    Ok(())
}

fn met(word: &str, message: &Message, seen: Option<&Message>) -> bool {
    if let Some(body) = word.strip_prefix("body=") {
        return message.body == body;
    }
    if let Some(least) = word.strip_prefix("age>") {
        let age = message.get("Age").and_then(|age| age.parse::<u64>().ok());
        return age.is_some_and(|age| age > least.parse().expect("a number"));
    }
    if let Some(name) = word.strip_prefix("no ") {
        return message.get(name).is_none();
    }
    let (message, word) = match word.strip_prefix("seen ") {
        Some(word) => (seen, word),
        None => (Some(message), word.strip_prefix("has ").expect(word)),
    };
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let Some(found) = message.and_then(|message| message.get(name)) else {
        return false;
    };
    match value.map(|value| (value, value.strip_prefix('@'))) {
        None => true,
        Some((_, Some(delta))) => found == date(START_S + delta.parse::<i64>().expect("a number")),
        Some((value, None)) => found == value,
    }
}
