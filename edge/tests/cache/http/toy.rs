//! The smallest cache that follows the policy: a map, one request at a time.
//!
//! It makes the calls that a gateway makes, in their order, and nothing else.

use std::collections::HashMap;

use tidegate_edge::{
    base::time::Wall,
    cache::http::{
        Answer, Caller, Decision, Draft, Failure, HttpCacheRules, KeyPolicy, KeySource, MissReason,
        OnFailure, Record, Request, Response, Serve, Stored, VaryNames, answer,
        encode::{write_uncacheable, write_variants},
        freshen::{Fit, HeadEffect, Scratch, fit, head_effect},
        hash::{Uri, uri_tag},
        invalidate, miss, on_failure, outdates, renewable,
        serve::{bypasses, serve},
        storable,
    },
    wire::{HeadLimits, HeadWriter, Method, ResponseHead, ResponseTo, parse_response},
};

use super::text::{AnsweredText, AskedText, Message};

/// Whoever answers what the store does not.
pub(crate) trait Origin {
    /// Answers `request`, or fails to.
    fn ask(&mut self, request: &Message) -> Option<Message>;
}

/// A cache.
pub(crate) struct Toy {
    pub(crate) rules: HttpCacheRules,
    pub(crate) policy: KeyPolicy,
    pub(crate) store: HashMap<Vec<u8>, (Vec<u8>, String)>,
    /// How long an origin takes.
    pub(crate) delay_ms: u64,
    nonce: u64,
}

/// What the client gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    pub(crate) message: Message,
    /// The store answered, or helped to.
    pub(crate) from_store: bool,
}

/// One request under way.
struct Turn<'t> {
    asked: &'t AskedText,
    message: &'t Message,
    caller: Caller,
    key: Vec<u8>,
    primary_bytes: usize,
    now: Wall,
}

impl Turn<'_> {
    /// The primary key, whichever key was looked for last.
    fn primary(&self) -> Vec<u8> {
        let mut key = self.key[..self.primary_bytes].to_vec();
        key[1] = 0;
        key
    }
}

impl Toy {
    pub(crate) fn new(rules: HttpCacheRules, policy: KeyPolicy) -> Toy {
        Toy {
            rules,
            policy,
            store: HashMap::new(),
            delay_ms: 0,
            nonce: 0,
        }
    }

    pub(crate) fn handle(
        &mut self,
        message: &Message,
        now: Wall,
        origin: &mut dyn Origin,
    ) -> Reply {
        let asked = AskedText::of(message.request_head());
        let caller = self.policy.caller(&source(&asked), false);
        let request = asked.facts(caller);
        let mut key = vec![0; 65_536];
        let primary_bytes = self.policy.write(&source(&asked), &mut key).expect("fits");
        key.truncate(primary_bytes);
        let mut turn = Turn {
            asked: &asked,
            message,
            caller,
            key,
            primary_bytes,
            now,
        };
        if bypasses(&request).is_some() {
            return self.pass(&turn, origin);
        }
        let found = self.find(&mut turn);
        let (meta, body) = match found {
            Ok(found) => found,
            Err(reason) => {
                return match miss(&request, reason, &self.rules) {
                    Serve::GatewayTimeout => own(504),
                    _ => self.fetch(&turn, None, origin),
                };
            }
        };
        let body_bytes = body.len() as u64;
        let Some(Record::Response(stored)) = Record::decode(&meta, body_bytes) else {
            panic!("a record of ours does not decode");
        };
        let normalise = self.policy.normalise();
        match serve(&request, &stored, &self.rules, normalise, now) {
            Serve::Fresh { age_s } => give(&request, &stored, &body, Some(age_s)),
            Serve::Stale { age_s, refresh } => {
                let reply = give(&request, &stored, &body, Some(age_s));
                if refresh {
                    self.fetch(&turn, Some((&stored, &body)), origin);
                }
                reply
            }
            Serve::Revalidate { .. } => self.fetch(&turn, Some((&stored, &body)), origin),
            Serve::Miss(_) => self.fetch(&turn, None, origin),
            Serve::GatewayTimeout => own(504),
        }
    }

    fn find(&self, turn: &mut Turn<'_>) -> Result<(Vec<u8>, String), MissReason> {
        let (meta, body) = self.store.get(&turn.key).ok_or(MissReason::Absent)?;
        match Record::decode(meta, body.len() as u64).ok_or(MissReason::Damaged)? {
            Record::Response(_) => Ok((meta.clone(), body.clone())),
            Record::Uncacheable(note) if note.holds(turn.now) => Err(MissReason::HitForMiss),
            Record::Uncacheable(_) | Record::Mark(_) => Err(MissReason::Absent),
            Record::Variants(variants) => {
                turn.key.resize(65_536, 0);
                let bytes = self
                    .policy
                    .write_variant(
                        &source(turn.asked),
                        &variants,
                        turn.primary_bytes,
                        &mut turn.key,
                    )
                    .expect("fits");
                turn.key.truncate(bytes);
                self.store.get(&turn.key).cloned().ok_or(MissReason::Vary)
            }
        }
    }

    /// A request that no store answers.
    fn pass(&mut self, turn: &Turn<'_>, origin: &mut dyn Origin) -> Reply {
        let Some(answered) = origin.ask(turn.message) else {
            return own(502);
        };
        let method = turn.asked.head.method;
        if invalidate::invalidates(method, answered.status()) {
            self.invalidate(turn, &answered);
        }
        plain(answered)
    }

    fn invalidate(&mut self, turn: &Turn<'_>, answered: &Message) {
        self.store.remove(&turn.primary());
        let text = AnsweredText::of(answered.response_head(), ResponseTo::default());
        let response = text.facts(turn.now, &self.rules);
        let base = source(turn.asked);
        for reference in invalidate::references(&response) {
            let mut out = [0; 1024];
            if let Some(other) = invalidate::resolve(&base.uri, reference, &mut out) {
                let uri = Uri {
                    path: other.path,
                    query: other.query,
                    ..base.uri
                };
                let mut key = vec![0; 65_536];
                let source = KeySource { uri, ..base };
                let bytes = self.policy.write(&source, &mut key).expect("fits");
                self.store.remove(&key[..bytes]);
            }
        }
    }

    /// Asks the origin, about `old` if there is one.
    fn fetch(
        &mut self,
        turn: &Turn<'_>,
        old: Option<(&Stored<'_>, &str)>,
        origin: &mut dyn Origin,
    ) -> Reply {
        let request = turn.asked.facts(turn.caller);
        let mut forwarded = turn.message.clone();
        for name in ["If-None-Match", "If-Modified-Since", "If-Range", "Range"] {
            forwarded.drop(name);
        }
        if let Some((stored, _)) = old {
            for (name, value) in [
                ("If-None-Match", stored.etag),
                ("If-Modified-Since", stored.last_modified),
            ] {
                if !value.is_empty() {
                    forwarded.set(name, std::str::from_utf8(value).expect("text"));
                }
            }
        }
        let answered = origin.ask(&forwarded);
        let failure = match &answered {
            None => Some(Failure::Unreachable),
            Some(answered) if answered.status() >= 500 => Some(Failure::Status(answered.status())),
            Some(_) => None,
        };
        if let (Some(failure), Some((stored, body))) = (failure, old) {
            match on_failure(&request, stored, &self.rules, failure, turn.now) {
                OnFailure::Stale { age_s } => return give(&request, stored, body, Some(age_s)),
                OnFailure::GatewayTimeout => return own(504),
                OnFailure::Forward => {}
            }
        }
        let Some(answered) = answered else {
            return own(502);
        };
        if answered.status() == 304 {
            return match old {
                Some((stored, body)) => self.freshen(turn, stored, body, &answered, origin),
                None => plain(answered),
            };
        }
        self.keep(turn, old.map(|(stored, _)| stored), &answered)
    }

    fn response_time(&self, turn: &Turn<'_>) -> Wall {
        Wall(turn.now.0 + self.delay_ms)
    }

    fn freshen(
        &mut self,
        turn: &Turn<'_>,
        stored: &Stored<'_>,
        body: &str,
        answered: &Message,
        origin: &mut dyn Origin,
    ) -> Reply {
        let request = turn.asked.facts(turn.caller);
        let text = AnsweredText::of(answered.response_head(), ResponseTo::default());
        let (sent, came) = (turn.now, self.response_time(turn));
        let rules = self.rules.clone();
        let update = Response::new(&text.head, text.text.as_bytes(), sent, came, &rules);
        if fit(&update, stored) == Fit::Other {
            // About something else: ask for all of it.
            self.store.remove(&turn.key);
            return self.fetch(turn, None, origin);
        }
        let mut scratch = Scratch::default();
        let merged = scratch.merge(stored, &update, &rules).expect("small");
        let decision = renewable(&request, &merged, &rules);
        let terms = match decision {
            Decision::Store(terms) => terms,
            Decision::Pass { reason, .. } => {
                if reason.is_of_response() {
                    self.store.remove(&turn.key);
                }
                let fields = fields_of(&merged);
                let whole = Message {
                    start: merged.head.status.to_string(),
                    fields,
                    body: body.to_owned(),
                };
                return plain(whole);
            }
        };
        let draft = self.draft(turn, &request, &merged, &terms, None);
        let mut meta = vec![0; 65_536];
        let bytes = draft.write(&mut meta).expect("small");
        meta.truncate(bytes);
        self.place(turn, &merged, meta.clone(), body);
        let Some(Record::Response(stored)) = Record::decode(&meta, body.len() as u64) else {
            panic!("a record of ours does not decode");
        };
        let age_s = stored.age_ms(came) / 1000;
        give(&request, &stored, body, Some(age_s))
    }

    /// Stores an answer if it may be, and gives it.
    fn keep(&mut self, turn: &Turn<'_>, old: Option<&Stored<'_>>, answered: &Message) -> Reply {
        let request = turn.asked.facts(turn.caller);
        let is_head = turn.asked.head.method == Method::Head;
        let to = ResponseTo {
            head: is_head,
            upgrade: false,
        };
        let text = AnsweredText::of(answered.response_head(), to);
        let (sent, came) = (turn.now, self.response_time(turn));
        let rules = self.rules.clone();
        let response = Response::new(&text.head, text.text.as_bytes(), sent, came, &rules);
        if let (true, Some(stored)) = (is_head, old) {
            self.head(turn, stored, &response);
            return plain(answered.clone());
        }
        match storable(&request, &response, &rules) {
            Decision::Pass { reason, remember_s } => {
                if outdates(&request, &response) {
                    self.store.remove(&turn.key);
                }
                let primary = turn.primary();
                if remember_s > 0 && !self.store.contains_key(&primary) {
                    let mut meta = vec![0; 256];
                    let bytes =
                        write_uncacheable(reason, came, remember_s, &mut meta).expect("small");
                    meta.truncate(bytes);
                    self.store.insert(primary, (meta, String::new()));
                }
                plain(answered.clone())
            }
            Decision::Store(terms) => {
                let body_bytes = Some(answered.body.len() as u64);
                let draft = self.draft(turn, &request, &response, &terms, body_bytes);
                let mut meta = vec![0; 65_536];
                let bytes = draft.write(&mut meta).expect("small");
                meta.truncate(bytes);
                self.place(turn, &response, meta.clone(), &answered.body);
                let length = answered.body.len() as u64;
                let Some(Record::Response(stored)) = Record::decode(&meta, length) else {
                    panic!("a record of ours does not decode");
                };
                // Its own request gets the answer as it came, unless it asked for less.
                match answer(&request, &stored) {
                    Answer::Whole => plain(answered.clone()),
                    _ => give(&request, &stored, &answered.body, None),
                }
            }
        }
    }

    fn head(&mut self, turn: &Turn<'_>, stored: &Stored<'_>, update: &Response<'_>) {
        match head_effect(update, stored) {
            HeadEffect::Nothing => {}
            HeadEffect::Outdate => {
                self.store.remove(&turn.key);
            }
            HeadEffect::Update => {
                let request = turn.asked.facts(turn.caller);
                let rules = self.rules.clone();
                let mut scratch = Scratch::default();
                let merged = scratch.merge(stored, update, &rules).expect("small");
                let Decision::Store(terms) = renewable(&request, &merged, &rules) else {
                    return;
                };
                let draft = self.draft(turn, &request, &merged, &terms, None);
                let mut meta = vec![0; 65_536];
                let bytes = draft.write(&mut meta).expect("small");
                meta.truncate(bytes);
                let body = self.store.get(&turn.key).map(|(_, body)| body.clone());
                self.place(turn, &merged, meta, &body.expect("still there"));
            }
        }
    }

    fn draft<'a>(
        &self,
        turn: &Turn<'_>,
        request: &'a Request<'a>,
        response: &'a Response<'a>,
        terms: &'a tidegate_edge::cache::http::Terms,
        body_bytes: Option<u64>,
    ) -> Draft<'a> {
        Draft {
            request,
            response,
            terms,
            normalise: self.policy.normalise(),
            uri_tag: uri_tag(b"scope", &source(turn.asked).uri),
            body_bytes,
            is_dated: true,
        }
    }

    /// Puts a response where requests will find it: beside its variants, if it has any.
    fn place(&mut self, turn: &Turn<'_>, response: &Response<'_>, meta: Vec<u8>, body: &str) {
        let primary = turn.primary();
        let names = VaryNames::of_response(response).expect("storable");
        let known = self.store.get(&primary).cloned();
        let known = known
            .as_ref()
            .and_then(|(meta, _)| match Record::decode(meta, 0) {
                Some(Record::Variants(variants)) => Some(variants),
                _ => None,
            });
        if names.is_empty() && known.is_none() {
            self.store.insert(primary, (meta, body.to_owned()));
            return;
        }
        let wanted = match &known {
            Some(known) => names.with(&known.names).unwrap_or(names),
            None => names,
        };
        let nonce = match &known {
            Some(known) if known.names.is_same(&wanted) => known.nonce,
            _ => {
                self.nonce += 1;
                self.nonce
            }
        };
        let mut list = vec![0; 65_536];
        let bytes = write_variants(&wanted, nonce, &mut list).expect("small");
        list.truncate(bytes);
        let Some(Record::Variants(variants)) = Record::decode(&list, 0) else {
            panic!("a list of ours does not decode");
        };
        let mut key = primary.clone();
        key.resize(65_536, 0);
        let source = source(turn.asked);
        let bytes = self
            .policy
            .write_variant(&source, &variants, primary.len(), &mut key)
            .expect("fits");
        key.truncate(bytes);
        self.store.insert(primary, (list, String::new()));
        self.store.insert(key, (meta, body.to_owned()));
    }
}

fn source(asked: &AskedText) -> KeySource<'_> {
    let bytes = asked.text.as_bytes();
    KeySource {
        scope: b"scope",
        uri: Uri {
            is_https: false,
            host: asked.head.host.name.of(bytes),
            port: asked.head.host.port,
            path: asked.head.path(bytes),
            query: asked.head.target.query.map(|query| query.of(bytes)),
        },
        fields: &asked.head.fields,
        bytes,
        principal: None,
    }
}

fn give(request: &Request<'_>, stored: &Stored<'_>, body: &str, age_s: Option<u64>) -> Reply {
    let how: Answer = answer(request, stored);
    let mut out = vec![0; 65_536];
    let mut writer = HeadWriter::new(&mut out);
    how.write_head(stored, age_s, &mut writer);
    let len = writer.end().expect("fits");
    let mut head = ResponseHead::new();
    let to = ResponseTo {
        head: request.head.method == Method::Head,
        upgrade: false,
    };
    parse_response(&out[..len], &HeadLimits::default(), to, &mut head).expect("well-formed");
    assert_eq!(head.status, how.status(stored));
    let (at, bytes) = how.body(request, stored);
    let (at, end) = (
        usize::try_from(at).expect("small"),
        usize::try_from(at + bytes).expect("small"),
    );
    let message = Message {
        start: head.status.to_string(),
        fields: fields_in(&head, &out[..len]),
        body: body[at..end].to_owned(),
    };
    if request.head.method == Method::Get && !matches!(head.status, 204 | 304) {
        assert_eq!(head.content_length, Some(bytes), "{message:?}");
    }
    Reply {
        message,
        from_store: true,
    }
}

fn fields_of(response: &Response<'_>) -> Vec<(String, String)> {
    fields_in(response.head, response.bytes)
}

fn fields_in(head: &ResponseHead, bytes: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.fields
        .iter()
        .map(|field| (text(field.name.of(bytes)), text(field.value.of(bytes))))
        .collect()
}

fn plain(message: Message) -> Reply {
    Reply {
        message,
        from_store: false,
    }
}

fn own(status: u16) -> Reply {
    plain(Message::new(&status.to_string(), &[], ""))
}
