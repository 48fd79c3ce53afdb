//! A plan with everything that needed files or keys, ready to be put on cores.
//!
//! What it is: made whole on the control thread, then handed to every core as one pointer; a core
//! adds its own pools. Shape: immutable, shared. Errors: [`BlueprintError`] with the pointer into
//! the settings, so that a bad file leaves the last good plan serving.

use std::{path::Path, rc::Rc, sync::Arc};

use super::{
    limits::LimitsHome,
    regions::{self, SharedCache},
};
use crate::{
    cache::Store,
    exec::Core,
    limits::Gate,
    model::settings::{Roots, TlsVersion as Minimum},
    net::tls::{
        TlsClock, TlsVersion,
        client::{OriginTls, OriginTlsSettings, Verify, server_name},
        load::{LoadError, read_certificates, read_identity, system_roots},
        provider,
        server::{ClientAuth, ServerCertificate, ServerTls, ServerTlsSettings},
        ticket::TicketKeys,
    },
    origin::{Group, GroupState, GroupTls, OriginIndex, OriginPlan, OriginTlsPlan},
    pipeline::Serving,
    plan::Plan,
    telemetry::{format::LogFormat, metrics::StageCells},
};

/// What cannot be used, and where the settings say so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct BlueprintError {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// A plan, ready for cores.
pub struct Blueprint {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Host-wide state, in the order of the plan's origins.
    pub states: Box<[Arc<GroupState>]>,
    /// Certificates, when a listener speaks TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// TLS towards each origin group that has an endpoint with it.
    pub origin_tls: Box<[Option<GroupTls>]>,
    log_format: Option<Arc<LogFormat>>,
    /// The regions of the response cache, open, in the order of the plan's.
    pub caches: Box<[SharedCache]>,
    /// Keys, and what they are counted with.
    pub limits: LimitsHome,
    gate: Option<Arc<Gate>>,
}

/// What all blueprints of a process share.
#[derive(Clone)]
pub struct Keyring {
    /// Session tickets: any core opens what another sealed.
    pub tickets: Arc<TicketKeys>,
    /// The wall clock as TLS sees it.
    pub clock: Arc<TlsClock>,
    /// What a response cache is made with.
    pub cache: CacheSecrets,
    /// What is shared of limits.
    pub limits: LimitsHome,
}

/// What nobody outside may know of a response cache.
#[derive(Clone)]
pub struct CacheSecrets {
    /// Seeds the hash of a new region.
    pub seed: u64,
    /// Seals a region that nobody is to read behind this boot.
    pub boot_key: [u8; 32],
}

impl CacheSecrets {
    /// Fresh ones; `None` without randomness.
    #[must_use]
    pub fn fresh() -> Option<CacheSecrets> {
        let mut bytes = [0; 40];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let (seed, boot_key) = bytes.split_first_chunk()?;
        Some(CacheSecrets {
            seed: u64::from_le_bytes(*seed),
            boot_key: boot_key.try_into().ok()?,
        })
    }
}

impl Keyring {
    /// Takes over what `plan`, which serves from now on, says about keys.
    pub fn follow(&self, plan: &Plan) {
        self.tickets
            .set_rotate_ms(plan.listen_tls.ticket_rotation_ms);
    }
}

impl Blueprint {
    /// Reads what `plan` names. Groups that `before` also has keep their health.
    ///
    /// # Errors
    /// Every certificate, key, root or log format that cannot be used.
    pub fn new(
        plan: Plan,
        keyring: &Keyring,
        before: Option<&Blueprint>,
    ) -> Result<Arc<Blueprint>, Vec<BlueprintError>> {
        let mut errors = Vec::new();
        let tls = server_tls(&plan, keyring, &mut errors);
        let origin_tls = plan
            .origins
            .iter()
            .map(|origin| origin_tls(origin, keyring, &mut errors))
            .collect();
        let log_format = log_format(&plan, &mut errors);
        let caches = regions::open(&plan, &keyring.cache, before, &mut errors);
        let gate = keyring.limits.gate(&plan).unwrap_or_else(|fault| {
            errors.push(BlueprintError {
                pointer: "/throttle/path".to_owned(),
                message: fault.to_string(),
            });
            None
        });
        let states = plan
            .origins
            .iter()
            .map(|origin| state(origin, before))
            .collect();
        if !errors.is_empty() {
            regions::take_back(&caches, before);
            return Err(errors);
        }
        regions::settle(&plan, &caches, before);
        Ok(Arc::new(Blueprint {
            plan: Arc::new(plan),
            states,
            tls,
            origin_tls,
            log_format,
            caches,
            limits: keyring.limits.clone(),
            gate,
        }))
    }

    /// It is what serves from now on: what stages with a region of their own left in the common one
    /// is of no use any more, and does not come back.
    pub fn leave_common(&self) {
        regions::leave_common(&self.plan, &self.caches);
    }

    /// It is not served after all, `before` is: what was made for it alone goes.
    pub fn take_back(&self, before: &Blueprint) {
        regions::take_back(&self.caches, Some(before));
    }

    /// The regions that it has open and `other` has not.
    #[must_use]
    pub fn caches_without(&self, other: &Blueprint) -> Vec<Arc<Store>> {
        regions::without(&self.caches, &other.caches)
    }

    /// The plan on one core, with empty pools. What `before` has of the same store is used on.
    #[must_use]
    pub fn serving(
        &self,
        core: &Rc<Core>,
        cells: StageCells,
        before: Option<&Serving>,
    ) -> Rc<Serving> {
        let groups = self
            .states
            .iter()
            .zip(&self.origin_tls)
            .zip(0..)
            .map(|((state, tls), index)| {
                let (state, tls) = (Arc::clone(state), tls.clone());
                Group::new(&self.plan.origins, OriginIndex(index), state, tls)
            })
            .collect();
        Serving::new(
            Arc::clone(&self.plan),
            groups,
            self.tls.clone(),
            self.log_format.clone(),
            cells,
            regions::tiers(core, &self.caches, before),
            self.gate.clone(),
        )
    }
}

fn state(origin: &OriginPlan, before: Option<&Blueprint>) -> Arc<GroupState> {
    let known = before.and_then(|before| {
        let index = before
            .plan
            .origins
            .iter()
            .position(|old| old.name == origin.name)?;
        Some((
            before.plan.origins.get(index)?,
            &**before.states.get(index)?,
        ))
    });
    GroupState::new(origin, known)
}

fn log_format(plan: &Plan, errors: &mut Vec<BlueprintError>) -> Option<Arc<LogFormat>> {
    if plan.access_log.sink == crate::plan::LogSink::Off {
        return None;
    }
    match LogFormat::named(&plan.access_log.format) {
        Ok(format) => {
            let cut = plan.limits.log_field_bytes_max as usize;
            Some(Arc::new(format.with_field_bytes_max(cut)))
        }
        Err(error) => {
            let hint = error
                .hint
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            errors.push(BlueprintError {
                pointer: "/access_log/format".to_owned(),
                message: format!("{}{hint}", error.message),
            });
            None
        }
    }
}

fn server_tls(
    plan: &Plan,
    keyring: &Keyring,
    errors: &mut Vec<BlueprintError>,
) -> Option<Arc<ServerTls>> {
    if !plan.listeners.iter().any(|listener| listener.tls) {
        return None;
    }
    let mut certificates = Vec::new();
    for certificate in &plan.listen_tls.certificates {
        match read_identity(&certificate.chain, &certificate.key) {
            Ok(identity) => certificates.push(ServerCertificate {
                identity,
                names: Vec::new(),
                client_auth: ClientAuth::Off,
                policy: certificate.policy,
            }),
            Err(error) => errors.push(BlueprintError {
                pointer: certificate.pointer.to_string(),
                message: error.to_string(),
            }),
        }
    }
    if !errors.is_empty() {
        return None;
    }
    let settings = ServerTlsSettings {
        hello_bytes_max: plan.limits.tls_hello_bytes_max as usize,
        certificates,
        version_min: least(plan.listen_tls.version_min),
    };
    match ServerTls::new(settings, &provider(), &keyring.tickets, &keyring.clock) {
        Ok(tls) => Some(tls),
        Err(error) => {
            errors.push(BlueprintError {
                pointer: "/tls/certificates".to_owned(),
                message: error.to_string(),
            });
            None
        }
    }
}

fn least(version: Minimum) -> TlsVersion {
    match version {
        Minimum::V1_2 => TlsVersion::V12,
        Minimum::V1_3 => TlsVersion::V13,
    }
}

fn origin_tls(
    origin: &OriginPlan,
    keyring: &Keyring,
    errors: &mut Vec<BlueprintError>,
) -> Option<GroupTls> {
    if !origin.endpoints.iter().any(|endpoint| endpoint.tls) {
        return None;
    }
    let at = |key: &str| format!("/origins/{}/tls/{key}", pointer_part(&origin.name));
    let plan = &origin.tls;
    let verify = match verify(plan) {
        Ok(verify) => verify,
        Err(error) => {
            errors.push(fault(at("roots"), error));
            return None;
        }
    };
    let server_name = match server_name(&plan.server_name) {
        Ok(name) => name,
        Err(error) => {
            errors.push(fault(at("server_name"), error));
            return None;
        }
    };
    let own = plan.client_identity.as_ref();
    let own = own.map(|(chain, key)| (at("client_certificate"), &**chain, &**key));
    let faces = plan.faces.iter().map(|face| {
        let pointer = format!("/client_certificates/{}", pointer_part(&face.name));
        Some((pointer, &*face.chain, &*face.key))
    });
    let mut all = Vec::with_capacity(plan.faces.len() + 1);
    for shown in std::iter::once(own).chain(faces) {
        match client(shown.as_ref(), &verify, keyring) {
            Ok(client) => all.push(client),
            Err(message) => {
                let pointer = shown.map_or_else(|| at("roots"), |(pointer, _, _)| pointer);
                let error = BlueprintError { pointer, message };
                // Several groups may show it.
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
    }
    (all.len() == plan.faces.len() + 1).then(|| GroupTls {
        server_name,
        faces: all.into(),
    })
}

fn verify(plan: &OriginTlsPlan) -> Result<Verify, LoadError> {
    if plan.insecure_skip_verification {
        return Ok(Verify::InsecureSkip);
    }
    match &plan.roots {
        Roots::System => system_roots(),
        Roots::File(file) => read_certificates(file),
    }
    .map(Verify::Roots)
}

/// TLS towards origins with the certificate that is shown, if one is, and the files it is in.
fn client(
    shown: Option<&(String, &Path, &Path)>,
    verify: &Verify,
    keyring: &Keyring,
) -> Result<OriginTls, String> {
    let identity = match shown {
        None => None,
        Some((_, chain, key)) => {
            Some(read_identity(chain, key).map_err(|error| error.to_string())?)
        }
    };
    let settings = OriginTlsSettings {
        verify: verify.clone(),
        identity,
        version_min: TlsVersion::V12,
    };
    OriginTls::new(settings, &provider(), &keyring.clock).map_err(|error| error.to_string())
}

fn fault(pointer: String, error: impl ToString) -> BlueprintError {
    BlueprintError {
        pointer,
        message: error.to_string(),
    }
}

fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
