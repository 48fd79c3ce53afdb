//! Level 3: the response cache.

pub mod http;
