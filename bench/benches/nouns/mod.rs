//! What: the nouns that every request meets, and the load generator's sample, one operation of each,
//!   for the clock and for callgrind.
//! Shape: [`NOUNS`] has a row per noun, [`REQUESTS`] one per kind of whole request; a row makes a closure that does the operation once, on data
//!   made beforehand, and proves on the way that it did it.
//! Units: one call is one operation.
//! Errors: an operation that fails panics: then there is nothing to measure.
//! Source: `pipeline/request.rs` calls the same functions in this order.

mod bucket;
mod head;
mod key;
mod request;
mod response;
mod route;
mod sample;
mod store;
mod template;

/// One operation, with all it needs.
pub(crate) type Operation = Box<dyn FnMut()>;

/// Something that every request meets.
pub(crate) struct Noun {
    /// As budgets and reports call it.
    pub(crate) name: &'static str,
    /// Makes what the operation needs.
    pub(crate) make: fn() -> Operation,
}

/// All of them, in the order of a request.
pub(crate) const NOUNS: &[Noun] = &[
    Noun {
        name: "head_parse",
        make: head::parse,
    },
    Noun {
        name: "route_resolve",
        make: route::resolve,
    },
    Noun {
        name: "bucket_take",
        make: bucket::take,
    },
    Noun {
        name: "key_write",
        make: key::write,
    },
    Noun {
        name: "key_write_chosen",
        make: key::write_chosen,
    },
    Noun {
        name: "store_look_up",
        make: store::look_up,
    },
    Noun {
        name: "template_render",
        make: template::render,
    },
    Noun {
        name: "response_head_write",
        make: response::write_head,
    },
    Noun {
        name: "sample_record",
        make: sample::record,
    },
];

/// Whole requests, which are counted when somebody asks and have no budgets.
pub(crate) const REQUESTS: &[Noun] = &[
    Noun {
        name: "request_proxied",
        make: request::proxied,
    },
    Noun {
        name: "request_streamed",
        make: request::streamed,
    },
    Noun {
        name: "request_passed",
        make: request::passed,
    },
    Noun {
        name: "request_mapped",
        make: request::mapped,
    },
];
