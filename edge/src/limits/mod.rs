//! Level 3: who may call, and how often.
//!
//! What it is: token buckets and quotas in memory that all cores and processes share, and the
//! directory of API keys that leads to them. Shape: [`gate`] decides; [`rate`] turns a limit as people write it
//! into numbers, [`table`] has the buckets, [`directory`] finds the key of a request and the plan
//! that it falls under, [`quota`] numbers windows, [`leases`] brings parts of quotas. Nothing here knows a request: values and `now` in, a decision
//! out. Units: in the names. Errors: of building only; what is in doubt refuses.
//! Source: API Gateway developer guide, "throttling" and "usage plans"; RELIABILITY section 6.

mod bucket;
mod claim;
pub mod clients;
pub mod directory;
pub mod gate;
pub mod id;
pub mod key;
mod lease;
pub mod leases;
pub mod level;
pub mod names;
pub mod plans;
pub mod quota;
pub mod rate;
mod sync;
pub mod table;

pub use bucket::Empty;
pub use clients::{CLIENT_BUCKETS, ClientLimit};
pub use directory::{
    Directory, DirectoryFault, Found, KeyRecord, MethodRate, PlanRecord, PlanStage,
};
pub use gate::{Caller, Gate, Passed, Refusal, RouteLimits, RouteRate, Tightest};
pub use id::Id;
pub use key::{KeyHasher, Tag};
pub use leases::{LeaseSource, Leases, User, Users, Wish};
pub use level::{Identity, Level};
pub use plans::{UsagePlan, UsagePlans, UsageStage};
pub use quota::{Period, Quota};
pub use rate::{Limit, Rate, RateFault};
pub use table::{Ask, Hint, Place, Refused, Table, TableFault, TableOptions, Taken};
