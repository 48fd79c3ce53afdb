//! Level 3: TLS sessions, DNS messages, PROXY protocol.

pub mod address;
pub mod conn;
pub mod dns;
pub mod proxy_protocol;
pub mod pump;
pub mod tls;
