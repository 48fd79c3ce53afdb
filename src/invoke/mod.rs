//! One request through the gateway's own code, with everything that its stages note.
//!
//! What it is: a test invocation. The documents are compiled as `run` compiles them, with the
//! execution log of every method open; one worker serves one connection inside this process, so
//! that nobody else can reach it, and asks the backends that the configuration names. Keys,
//! throttles, authorizers and caches are left out. Shape: [`run`] gives an [`Outcome`]. Units:
//! milliseconds. Errors: [`Failure`]. Source: Amazon API Gateway developer guide, "test a method";
//! API reference, `TestInvokeMethod`.

mod exchange;
mod outcome;
mod worker;

use tidegate_edge::{
    limits::RouteLimits,
    plan::{Access, ListenAddress, ListenerPlan, LogSink, NetworkSet, Plan},
    ring::probe,
};

use crate::{
    cli::Exit,
    diagnostics::Colour,
    files::Files,
    process::{
        Sources,
        load::{self, Loaded},
    },
    settings::Configuration,
};

pub use outcome::Outcome;

/// A request to invoke.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Invocation {
    /// As it stands in the request line.
    pub method: String,
    /// Absolute, or a path that begins with `/`; with its query.
    pub url: String,
    /// In this order.
    pub headers: Vec<(String, String)>,
    /// The payload; empty: none.
    pub body: String,
    /// In the place of those that the stages have.
    pub stage_variables: Vec<(String, String)>,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The documents do not compile; the report was printed.
    #[error("the configuration is invalid")]
    Configuration,
    /// The host has no ring.
    #[error("{0}")]
    Ring(String),
    /// The worker could not be started.
    #[error("{0}")]
    Start(String),
    /// The request cannot be sent, or its answer cannot be read.
    #[error("{0}")]
    Exchange(String),
}

impl Failure {
    /// What the caller sees.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Configuration => Exit::InvalidConfiguration,
            Failure::Ring(_) => Exit::RingRefused,
            Failure::Start(_) | Failure::Exchange(_) => Exit::Failed,
        }
    }
}

/// Serves `invocation` by what `sources` name.
///
/// # Errors
/// As [`Failure`] says.
pub fn run(sources: &Sources, invocation: &Invocation) -> Result<Outcome, Failure> {
    probe::probe(probe::RingSize::DEFAULT).map_err(|refusal| Failure::Ring(refusal.to_string()))?;
    let mut configuration = load::read(sources, Files::on_disk());
    adjust(&mut configuration, invocation);
    let mut loaded = load::compiled(configuration, 1);
    loaded.print_report();
    let Some(plan) = loaded.plan.take() else {
        return Err(Failure::Configuration);
    };
    let (running, stream) = worker::start(bare(plan)).map_err(|fault| match fault {
        worker::Fault::Files(errors) => {
            refuse(&mut loaded, &errors);
            Failure::Configuration
        }
        worker::Fault::Start(reason) => Failure::Start(reason),
    })?;
    let answered = exchange::exchange(stream, invocation);
    let execution = running.finish();
    let (answer, latency_ms) = answered.map_err(Failure::Exchange)?;
    Ok(Outcome::new(answer, execution.as_ref(), latency_ms))
}

fn refuse(loaded: &mut Loaded, errors: &[tidegate_edge::server::BlueprintError]) {
    load::add_blueprint_errors(&mut loaded.configuration, errors);
    let report = &loaded.configuration.report;
    eprint!("{}", report.render(Colour::for_stderr()));
}

/// What is compiled otherwise than for clients: every method tells everything, by the variables
/// of the invocation.
fn adjust(configuration: &mut Configuration, invocation: &Invocation) {
    let variables = || invocation.stage_variables.iter().cloned();
    for api in &mut configuration.settings.apis {
        api.tells_all = true;
        api.edge_cache = None;
        api.variables.extend(variables());
        for (_, own) in api.stages.rows_mut() {
            own.variables.extend(variables());
        }
    }
    for release in &mut configuration.releases {
        release.variables.extend(variables());
        release.canary = None;
    }
}

/// `plan` without what a test invocation passes by, behind a listener that leads everywhere.
fn bare(mut plan: Plan) -> Plan {
    plan.listeners = Box::new([ListenerPlan {
        address: ListenAddress::Passed("test-invoke".into()),
        tls: false,
        proxy_protocol_from: NetworkSet::default(),
        endpoint: None,
        networks: NetworkSet::default(),
    }]);
    plan.access_log.sink = LogSink::Off;
    plan.throttle = None;
    plan.cache = None;
    plan.limits.connections_max = CONNECTIONS_MAX;
    for stage in &mut plan.stages {
        stage.endpoint = None;
    }
    for route in &mut plan.routes {
        route.access = Access::Open;
        route.limits = RouteLimits::default();
        route.cache = None;
    }
    plan
}

/// One is ours; the rest is room for its closing.
const CONNECTIONS_MAX: u32 = 8;
