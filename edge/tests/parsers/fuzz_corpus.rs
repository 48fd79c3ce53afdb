//! Replays the corpora of the fuzz targets, and the wire examples, without a fuzzer.
//!
//! Shape: one module a target, shared with `fuzz/fuzz_targets`. Units: bytes. Errors: the file
//! whose replay panics is printed before. Source: `fuzz/corpus/*`, `wire/*/*.case`.

use std::{fs, path::Path};

use crate::{case, templates};

#[path = "../../fuzz/bodies/cache_exchange.rs"]
mod cache_exchange;
#[path = "../../fuzz/bodies/cache_image.rs"]
mod cache_image;
#[path = "../../fuzz/bodies/cache_record.rs"]
mod cache_record;
#[path = "../../fuzz/bodies/chunked_body.rs"]
mod chunked_body;
#[path = "../../fuzz/bodies/content_coding.rs"]
mod content_coding;
#[path = "../../fuzz/bodies/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/bodies/function_answer.rs"]
mod function_answer;
#[path = "../../fuzz/bodies/function_stream.rs"]
mod function_stream;
#[path = "../../fuzz/bodies/json_path.rs"]
mod json_path;
#[path = "../../fuzz/bodies/mapping_template.rs"]
mod mapping_template;
#[path = "../../fuzz/bodies/model.rs"]
mod model;
#[path = "../../fuzz/bodies/request_head.rs"]
mod request_head;
#[path = "../../fuzz/bodies/response_head.rs"]
mod response_head;
#[path = "../../fuzz/bodies/target_host.rs"]
mod target_host;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a corpus") {
        let path = entry.expect("directory entry").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "{target} has an empty corpus");
}

#[test]
fn request_heads() {
    replay("request_head", request_head::check);
    for case in case::load("wire/requests") {
        println!("{}", case.name);
        request_head::check(&case.input());
    }
}

#[test]
fn response_heads() {
    replay("response_head", response_head::check);
    for case in case::load("wire/responses") {
        println!("{}", case.name);
        response_head::check(&case.input());
    }
}

#[test]
fn chunked_bodies() {
    replay("chunked_body", chunked_body::check);
}

#[test]
fn models() {
    replay("model", model::check);
}

#[test]
fn content_codings() {
    replay("content_coding", content_coding::check);
}

#[test]
fn lists_of_hops() {
    replay("forwarded", forwarded::check);
    for case in case::load("wire/gateway") {
        println!("{}", case.name);
        for line in case.input().split(|byte| *byte == b'\n') {
            forwarded::check(line);
        }
    }
}

#[test]
fn targets_and_hosts() {
    replay("target_host", target_host::check);
}

#[test]
fn cache_images() {
    replay("cache_image", cache_image::check);
}

#[test]
fn cached_exchanges() {
    replay("cache_exchange", cache_exchange::check);
}

#[test]
fn cache_records() {
    replay("cache_record", cache_record::check);
}

#[test]
fn mapping_templates() {
    replay("mapping_template", mapping_template::check);
    for example in templates::load() {
        println!("{}", example.name);
        let data = format!("{}\0{}", example.template, example.body);
        mapping_template::check(data.as_bytes());
    }
}

#[test]
fn json_paths() {
    replay("json_path", json_path::check);
}

#[test]
fn answers_of_functions() {
    replay("function_answer", function_answer::check);
}

#[test]
fn streams_of_functions() {
    replay("function_stream", function_stream::check);
}
