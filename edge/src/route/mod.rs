//! Level 2: host, stage and resource tree: from `Host` and path to one route.
//!
//! Shape: immutable tables built once per plan ([`host::HostMap`], [`tree::Tree`]), read by every
//! request without allocating. Units: byte offsets into the request target. Ranges: paths to
//! 65,535 bytes, 32 parameters a route. Errors: a lookup only misses; building names its fault.
//! Source: Amazon API Gateway developer guide, "proxy resource" and "invoke a REST API".

pub mod host;
pub mod params;
pub mod pattern;
pub mod tree;
pub mod verb;

pub use host::{
    ApiHosts, Asked, Found, Glob, GlobFault, Headers, HostFault, HostMap, HostMapBuilder, RuleRow,
    StageIndex, is_rule_header,
};
pub use params::{NameId, Param, Params};
pub use pattern::{Part, PatternFault};
pub use tree::{InsertFault, RouteIndex, Tree, TreeBuilder};
pub use verb::{Verb, VerbKey};
