//! Random histories: the cache does what a slow reading of the RFC does, request by request.

use tidegate_edge::{
    base::time::Wall,
    cache::http::{HttpCacheRules, KeyChoice, KeyPolicy, RequestDirectivesRule},
};

use super::{
    model::Model,
    text::{Message, START},
    toy::{Reply, Toy},
    world::{Kind, World, caller, language},
};

/// Seeds of a run, and requests of a history.
const HISTORIES: u64 = 300;
const REQUESTS: usize = 120;

#[test]
fn the_cache_does_what_the_model_does() {
    let mut tally = Tally::default();
    for seed in 0..HISTORIES {
        history(seed, &mut tally);
    }
    // A comparison of nothing would pass too.
    let enough = tally.hits > 3_000 && tally.validated > 1_000 && tally.partial > 100;
    assert!(
        enough && tally.not_modified > 500 && tally.timeouts > 50,
        "{tally:?}"
    );
}

/// Vary changes at every answer, and every answer is for its caller alone.
#[test]
fn no_caller_and_no_language_gets_another_ones_bytes() {
    let choice = KeyChoice {
        partition: true,
        ..KeyChoice::default()
    };
    let policy = KeyPolicy::new(choice).expect("a policy");
    let mut hits = 0;
    for seed in 0..HISTORIES {
        let mut world = World::new(seed, Kind::Fickle);
        let mut toy = Toy::new(HttpCacheRules::default(), policy.clone());
        let mut now = START;
        for step in 0..REQUESTS {
            let turn = world.turn();
            now = Wall(now.0 + turn.wait_ms);
            let mut origin = turn.script;
            let reply = toy.handle(&turn.request, now, &mut origin);
            let context = || format!("seed {seed} step {step}: {:#?}", turn.request);
            check_body(&turn.request, &reply, Kind::Fickle, &context);
            hits += usize::from(reply.from_store);
        }
    }
    assert!(hits > 3_000, "{hits}");
}

#[derive(Default, Debug)]
struct Tally {
    hits: usize,
    validated: usize,
    partial: usize,
    not_modified: usize,
    timeouts: usize,
}

fn history(seed: u64, tally: &mut Tally) {
    let mut world = World::new(seed, Kind::Steady);
    let honours = seed.is_multiple_of(2);
    let delay_ms = [0, 700, 1_800][usize::try_from(seed % 3).expect("small")];
    let rules = HttpCacheRules {
        request_directives: if honours {
            RequestDirectivesRule::Honour
        } else {
            RequestDirectivesRule::Ignore
        },
        ..HttpCacheRules::default()
    };
    let mut toy = Toy::new(rules, KeyPolicy::default());
    toy.delay_ms = delay_ms;
    let mut model = Model::new(honours, delay_ms);
    let mut now = START;
    for step in 0..REQUESTS {
        let turn = world.turn();
        now = Wall(now.0 + turn.wait_ms + delay_ms);
        let (mut origin, mut same_origin) = (turn.script.clone(), turn.script);
        let reply = toy.handle(&turn.request, now, &mut origin);
        let expected = model.handle(&turn.request, now.0, &mut same_origin);
        let context = || format!("seed {seed} step {step}: {:#?}", turn.request);
        assert_eq!(
            seen(&origin.seen),
            seen(&same_origin.seen),
            "origin's view, {}",
            context()
        );
        assert_eq!(
            shown(&reply),
            shown(&expected),
            "client's view, {}",
            context()
        );
        check_body(&turn.request, &reply, Kind::Steady, &context);
        tally.hits += usize::from(reply.from_store && origin.seen.is_empty());
        tally.validated += usize::from(reply.from_store && !origin.seen.is_empty());
        tally.partial += usize::from(reply.message.start == "206");
        tally.not_modified += usize::from(reply.message.start == "304");
        tally.timeouts += usize::from(reply.message.start == "504");
    }
}

/// The requests as an origin saw them, fields sorted.
fn seen(requests: &[Message]) -> Vec<Message> {
    requests.iter().map(sorted).collect()
}

/// The reply, fields in lower case and sorted. What is just passed on is compared as it came.
fn shown(reply: &Reply) -> (Message, bool) {
    (sorted(&reply.message), reply.from_store)
}

fn sorted(message: &Message) -> Message {
    let mut message = message.clone();
    for (name, _) in &mut message.fields {
        name.make_ascii_lowercase();
    }
    message.fields.sort();
    message
}

/// Without any model: the bytes are those of the path, language and caller that were asked for.
fn check_body(request: &Message, reply: &Reply, kind: Kind, context: &dyn Fn() -> String) {
    let (_, path) = request.start.split_once(' ').expect("a request line");
    if reply.message.start == "206" || reply.message.body.is_empty() {
        return;
    }
    let words: Vec<&str> = reply.message.body.split(' ').collect();
    let [own_path, _, own_lang, own_caller] = words[..] else {
        panic!("{words:?}, {}", context());
    };
    assert_eq!(own_path, path, "{}", context());
    assert!(
        own_lang == "-" || own_lang == language(request),
        "{own_lang}, {}",
        context()
    );
    if kind == Kind::Fickle {
        assert_eq!(own_caller, caller(request), "{}", context());
    }
}
