//! Random clients and a random origin, from one seed.

use tidegate_edge::base::prng::Prng;

use super::{
    model_text::{head_fields, list},
    text::{Message, START_S, date},
    toy::Origin,
};

/// What happens next.
pub(crate) struct Turn {
    pub(crate) request: Message,
    pub(crate) script: Script,
    /// How long until then.
    pub(crate) wait_ms: u64,
}

/// How the origin answers one client's request, whatever the cache makes of it.
#[derive(Clone)]
pub(crate) struct Script {
    hangs_up: bool,
    full: Message,
    not_modified: Message,
    changed: Message,
    pub(crate) seen: Vec<Message>,
}

impl Origin for Script {
    fn ask(&mut self, request: &Message) -> Option<Message> {
        self.seen.push(request.clone());
        assert!(self.seen.len() < 4, "the origin is asked for ever");
        if self.hangs_up {
            return None;
        }
        let is_retrieval = request.start.starts_with("GET ") || request.start.starts_with("HEAD ");
        if !is_retrieval {
            return Some(self.changed.clone());
        }
        let is_known = |name: &str, own: Option<&str>| {
            let said = request.get(name);
            said.is_some() && said.zip(own).is_some_and(|(said, own)| said.contains(own))
        };
        let is_same = if request.get("If-None-Match").is_some() {
            is_known("If-None-Match", self.full.get("ETag"))
        } else {
            is_known("If-Modified-Since", self.full.get("Last-Modified"))
        };
        if is_same && self.full.status() == 200 {
            return Some(self.not_modified.clone());
        }
        let mut full = self.full.clone();
        if request.start.starts_with("HEAD ") {
            full.body.clear();
            full.drop("Transfer-Encoding");
        }
        Some(full)
    }
}

/// What an origin is like.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Each path has one Vary for all its answers.
    Steady,
    /// Vary changes from answer to answer, and answers are for those who asked alone.
    Fickle,
}

/// The world's state.
pub(crate) struct World {
    random: Prng,
    kind: Kind,
    now_s: i64,
    step: u64,
    /// One version for each path.
    versions: [u64; PATHS.len()],
}

/// Each path has its own ways: validators and Vary.
const PATHS: [(&str, Validators, &str); 5] = [
    ("/plain", Validators::None, ""),
    ("/tag", Validators::Tag, ""),
    ("/weak?q=1", Validators::Weak, "X-Lang"),
    ("/date", Validators::Date, "x-lang, Accept-Encoding"),
    ("/both/", Validators::Both, ""),
];

#[derive(Clone, Copy)]
enum Validators {
    None,
    Tag,
    Weak,
    Date,
    Both,
}

const ALLOWS: &[&str] = &[
    "",
    "",
    "max-age=0",
    "max-age=2",
    "max-age=60",
    "max-age=3600",
    "MAX-AGE=\"7\", x",
    "max-age=x",
    "max-age=1, max-age=50",
    "s-maxage=5, max-age=100",
    "s-maxage=5, stale-while-revalidate=9",
    "s-maxage=3, stale-if-error=60",
    "max-age=60, no-cache",
    "no-cache",
    "no-store",
    "no-store, must-understand, max-age=9",
    "private, max-age=60",
    "public",
    "public, max-age=9",
    "max-age=5, must-revalidate",
    "max-age=5, proxy-revalidate",
    "max-age=5, stale-while-revalidate=10",
    "max-age=5, stale-if-error=20",
    "max-age=5, stale-if-error=0",
    "max-age=0, stale-while-revalidate=4",
    "max-age=60, immutable",
    "foo=\"bar, no-store\", max-age=30",
    "no-cache=\"X-Secret\", max-age=20",
    "private=\"x-secret, x-none\", max-age=20",
];

const ASKS: &[&str] = &[
    "no-cache",
    "no-store",
    "max-age=0",
    "max-age=3",
    "max-age=100",
    "max-stale",
    "max-stale=5",
    "max-age=100, max-stale=9",
    "min-fresh=2",
    "min-fresh=100",
    "only-if-cached",
    "only-if-cached, max-stale",
    "stale-if-error=30",
    "unheard-of",
];

impl World {
    pub(crate) fn new(seed: u64, kind: Kind) -> World {
        World {
            random: Prng::new(seed),
            kind,
            now_s: START_S,
            step: 0,
            versions: [1; PATHS.len()],
        }
    }

    pub(crate) fn turn(&mut self) -> Turn {
        self.step += 1;
        let wait_ms = match self.random.below(10) {
            0..3 => 0,
            3..6 => self.random.below(2_000),
            6..9 => self.random.below(9_000),
            _ => self.random.below(1_500_000),
        };
        self.now_s += i64::try_from(wait_ms / 1000).expect("small");
        let at = usize::try_from(self.random.below(PATHS.len() as u64)).expect("small");
        if self.random.chance(250) {
            self.versions[at] += 1;
        }
        let request = self.request(at);
        let script = self.script(at, &request);
        Turn {
            request,
            script,
            wait_ms,
        }
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        let at = self.random.below(from.len() as u64);
        from[usize::try_from(at).expect("small")]
    }

    fn tag(&mut self, at: usize) -> String {
        let version = self.versions[at] - self.random.below(2).min(self.versions[at] - 1);
        let weak = if self.random.chance(300) { "W/" } else { "" };
        format!("{weak}\"{at}-{version}\"")
    }

    fn changed_s(&self, at: usize) -> i64 {
        START_S - 10_000 + i64::try_from(self.versions[at]).expect("small") * 10
    }

    fn request(&mut self, at: usize) -> Message {
        let (path, ..) = PATHS[at];
        let method = match self.random.below(100) {
            0..82 => "GET",
            82..91 => "HEAD",
            91..94 => "POST",
            94..96 => "PUT",
            96..98 => "DELETE",
            _ => "M-SEARCH",
        };
        let mut request = Message::new(&format!("{method} {path}"), &[], "");
        let authorized = if self.kind == Kind::Fickle { 600 } else { 40 };
        for (per_mille, name, values) in [
            (700, "X-Lang", &["de", "en", "de, en"][..]),
            (100, "x-lang", &["fr ,en", "  fr"]),
            (300, "Accept-Encoding", &["gzip", "br,gzip"]),
            (200, "Cache-Control", ASKS),
            (30, "Pragma", &["no-cache", "x"]),
            (authorized, "Authorization", &["a", "b"]),
            (
                80,
                "Range",
                &[
                    "bytes=0-3",
                    "bytes=2-",
                    "bytes=-4",
                    "bytes=99-",
                    "bytes=0-0,2-2",
                ],
            ),
            (8, "If-Match", &["*"]),
            (8, "Content-Length", &["3", "0"]),
        ] {
            if self.random.chance(per_mille) {
                let value = self.pick(values);
                request.set(name, value.trim());
            }
        }
        if self.random.chance(150) {
            let tag = self.tag(at);
            let text = match self.random.below(5) {
                0 => "*".to_owned(),
                1 => format!("\"x\", {tag}"),
                _ => tag,
            };
            request.set("If-None-Match", &text);
        }
        if self.random.chance(100) {
            let text = self.near_change(at);
            request.set("If-Modified-Since", &text);
        }
        if self.random.chance(40) {
            let text = if self.random.chance(500) {
                self.tag(at).replace("W/", "")
            } else {
                self.near_change(at)
            };
            request.set("If-Range", &text);
        }
        request
    }

    fn near_change(&mut self, at: usize) -> String {
        let off_s = i64::try_from(self.random.below(3)).expect("small") * 10 - 10;
        date(self.changed_s(at) + off_s)
    }

    fn script(&mut self, at: usize, request: &Message) -> Script {
        let (path, validators, mut vary) = PATHS[at];
        if self.kind == Kind::Fickle {
            vary = self.pick(&["", "X-Lang", "accept-encoding", "Accept-Encoding, x-lang"]);
        }
        let version = self.versions[at];
        let status = match self.random.below(100) {
            0..88 => "200",
            88..90 => "204",
            90..92 => "404",
            92..93 => "301",
            93..94 => "201",
            94..95 => "299",
            95..96 => "500",
            _ => "503",
        };
        // What a body says is what selects it: a wrong one would be seen without any model.
        let selects = vary.to_lowercase().contains("x-lang");
        let lang = if selects {
            language(request)
        } else {
            "-".to_owned()
        };
        let caller = match self.kind {
            Kind::Fickle => caller(request),
            Kind::Steady => "-",
        };
        let body = if status == "204" {
            String::new()
        } else {
            format!("{path} {version} {lang} {caller}")
        };
        let mut full = Message::new(status, &[], &body);
        self.add_times(&mut full);
        self.add_validators(&mut full, at, validators);
        let step = self.step.to_string();
        full.set("X-Step", &step);
        full.set("X-Secret", &step);
        full.set("Content-Type", &format!("t/{step}"));
        if !vary.is_empty() {
            full.set("Vary", vary);
        }
        for (per_mille, name, value) in [
            (40, "Set-Cookie", "a=b"),
            (50, "Connection", "x-step"),
            (10, "Vary", "*"),
        ] {
            if self.random.chance(per_mille) {
                full.set(name, value);
            }
        }
        let mut not_modified = full.clone();
        not_modified.start = "304".to_owned();
        not_modified.body.clear();
        if self.random.chance(60) {
            not_modified.drop("ETag");
            not_modified.drop("Last-Modified");
        } else if self.random.chance(30) {
            not_modified.drop("ETag");
            not_modified.set("ETag", "\"another\"");
        }
        match self.random.below(20) {
            _ if status == "204" => {}
            0 => {}
            1..4 => full.set("Transfer-Encoding", "chunked"),
            _ => full.set("Content-Length", &body.len().to_string()),
        }
        let mut changed = Message::new(self.pick(&["200", "201", "303", "404", "500"]), &[], "");
        changed.set("Content-Length", "0");
        if self.random.chance(300) {
            let place = self.pick(&["/tag", "http://host/plain", "/both/", "http://other/tag"]);
            let name = self.pick(&["Location", "Content-Location"]);
            changed.set(name, place);
        }
        Script {
            hangs_up: self.random.chance(60),
            full,
            not_modified,
            changed,
            seen: Vec::new(),
        }
    }

    fn add_times(&mut self, message: &mut Message) {
        let allows = self.pick(ALLOWS);
        if !allows.is_empty() {
            message.set("Cache-Control", allows);
        }
        if self.random.chance(80) {
            let cdn = [
                "max-age=8",
                "no-store",
                "max-age=4, x",
                "max-age=\"4\"",
                "private",
            ];
            let value = self.pick(&cdn);
            message.set("CDN-Cache-Control", value);
        }
        match self.random.below(20) {
            0..3 => {}
            3 => message.set("Date", "junk"),
            4 => message.set("Date", &date(self.now_s - 5)),
            5 => message.set("Date", &date(self.now_s + 5)),
            _ => message.set("Date", &date(self.now_s)),
        }
        match self.random.below(12) {
            0 => message.set("Expires", "0"),
            1 => message.set("Expires", &date(self.now_s + 12)),
            2 => message.set("Expires", &date(self.now_s - 3)),
            _ => {}
        }
        if self.random.chance(120) {
            let age = self.pick(&["2", "50", "x", "3, 9", "-1"]);
            message.set("Age", age);
        }
    }

    fn add_validators(&mut self, message: &mut Message, at: usize, validators: Validators) {
        let version = self.versions[at];
        let tag = format!("\"{at}-{version}\"");
        let changed = date(self.changed_s(at));
        match validators {
            Validators::None => {}
            Validators::Tag => message.set("ETag", &tag),
            Validators::Weak => message.set("ETag", &format!("W/{tag}")),
            Validators::Date => message.set("Last-Modified", &changed),
            Validators::Both => {
                message.set("ETag", &tag);
                message.set("Last-Modified", &changed);
            }
        }
    }
}

/// The languages a request asks for, as bodies say them; `-` for none.
pub(crate) fn language(request: &Message) -> String {
    let lines = head_fields(request, "X-Lang");
    let asked: Vec<String> = lines.iter().flat_map(|line| list(line)).collect();
    if asked.is_empty() {
        "-".to_owned()
    } else {
        asked.join("+")
    }
}

/// Who asks, as bodies say it; `-` for nobody.
pub(crate) fn caller(request: &Message) -> &str {
    request.get("Authorization").unwrap_or("-")
}
