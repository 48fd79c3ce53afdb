//! Documents that become a plan: what it says of requests, and what is found in the documents.

#[path = "../common/documents.rs"]
mod documents;
mod findings;
mod routes;
mod sent;
mod tables;
