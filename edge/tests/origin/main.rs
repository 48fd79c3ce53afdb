//! Origins over a real ring: which are well, which address a connection goes to, and their names.

mod health;
#[path = "../common/name_server.rs"]
mod name_server;
#[path = "../common/origins.rs"]
mod origins;
mod pool;
mod resolver;
