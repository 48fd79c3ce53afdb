//! From `Host` and the first path segment to a stage.
//!
//! Shape: host patterns in three tiers (exact, `*.example.com` for one label, any host); each has
//! either a root stage (host form, the whole path is the resource path) or named stages (path
//! form, `/{stage}/…`). Units: byte offsets into the path. Ranges: hosts to 253 bytes. Errors: a
//! lookup only misses; building returns [`HostFault`]. Source: RFC 9110 section 7.2 (Host), RFC
//! 4343 (names ignore case), Amazon API Gateway developer guide, "invoke a REST API".
//!
//! Slashes before the stage and between stage and resource path collapse, as the service does:
//! `//dev/x` and `/dev//x` both reach the resource path `/x`.

/// A stage, an index into the plan's stages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StageIndex(pub u32);

/// Why a host pattern or a stage does not fit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostFault {
    #[error("`{host}` is no host name: letters, digits, `-` and `.`, or one leading `*.`")]
    BadHost { host: String },
    #[error("another API already serves {what}")]
    Taken { what: String, earlier: StageIndex },
    #[error("{host} serves a stage at its root, so it cannot also serve stages by path")]
    RootAndStages { host: String, earlier: StageIndex },
}

/// Where a request landed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub stage: StageIndex,
    /// Start of the path without doubled leading slashes (`$context.path` starts here).
    pub path_from: usize,
    /// Start of the resource path: a `/`, or the end of the path when nothing follows.
    pub resource_from: usize,
}

/// The compiled map.
#[derive(Debug, Default)]
pub struct HostMap {
    /// Sorted by length, then bytes; lower case.
    exact: Box<[(Box<[u8]>, Entry)]>,
    /// What follows the `*` (with its dot), sorted alike.
    wildcard: Box<[(Box<[u8]>, Entry)]>,
    any: Entry,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    root: Option<StageIndex>,
    stages: Vec<(Box<[u8]>, StageIndex)>,
}

impl HostMap {
    /// The stage that serves `path` on `host` (a validated authority, port allowed).
    ///
    /// The most specific pattern decides alone: a host named by one API does not fall through to
    /// APIs that take any host.
    #[must_use]
    pub fn place(&self, host: &[u8], path: &[u8]) -> Option<Place> {
        let entry = self.entry(host_name(host));
        let slashes = path.iter().take_while(|byte| **byte == b'/').count();
        let path_from = slashes.checked_sub(1)?;
        if let Some(stage) = entry.root {
            return Some(Place {
                stage,
                path_from,
                resource_from: path_from,
            });
        }
        let rest = path.get(slashes..)?;
        let name_bytes = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let name = rest.get(..name_bytes)?;
        let (_, stage) = entry.stages.iter().find(|(known, _)| **known == *name)?;
        let after = rest.get(name_bytes..)?;
        let inner = after.iter().take_while(|byte| **byte == b'/').count();
        Some(Place {
            stage: *stage,
            path_from,
            resource_from: slashes + name_bytes + inner.saturating_sub(1),
        })
    }

    fn entry(&self, name: &[u8]) -> &Entry {
        if let Some(entry) = lookup(&self.exact, name) {
            return entry;
        }
        if !self.wildcard.is_empty()
            && let Some(dot) = memchr::memchr(b'.', name).filter(|dot| *dot > 0)
            && let Some(entry) = name
                .get(dot..)
                .and_then(|tail| lookup(&self.wildcard, tail))
        {
            return entry;
        }
        &self.any
    }
}

/// The host without its port and without the root's trailing dot.
#[must_use]
pub fn host_name(authority: &[u8]) -> &[u8] {
    let name = if authority.first() == Some(&b'[') {
        let end = memchr::memchr(b']', authority).map_or(authority.len(), |at| at + 1);
        authority.get(..end).unwrap_or(authority)
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        authority.get(..end).unwrap_or(authority)
    };
    name.strip_suffix(b".").unwrap_or(name)
}

fn lookup<'m>(table: &'m [(Box<[u8]>, Entry)], name: &[u8]) -> Option<&'m Entry> {
    let order = |known: &[u8]| {
        known.len().cmp(&name.len()).then_with(|| {
            known
                .iter()
                .copied()
                .cmp(name.iter().map(u8::to_ascii_lowercase))
        })
    };
    let index = table.binary_search_by(|(known, _)| order(known)).ok()?;
    table.get(index).map(|(_, entry)| entry)
}

/// Collects hosts and stages, then freezes them into a [`HostMap`].
#[derive(Debug, Default)]
pub struct HostMapBuilder {
    exact: Vec<(Box<[u8]>, Entry)>,
    wildcard: Vec<(Box<[u8]>, Entry)>,
    any: Entry,
}

impl HostMapBuilder {
    /// An empty map.
    #[must_use]
    pub fn new() -> HostMapBuilder {
        HostMapBuilder::default()
    }

    /// Serves `stage` at the root of `host` (a name or `*.name`): the host form.
    pub fn root(&mut self, host: &str, stage: StageIndex) -> Result<(), HostFault> {
        let entry = self.entry(Some(host))?;
        if let Some(earlier) = entry.root {
            return Err(HostFault::Taken {
                what: format!("the root of {host}"),
                earlier,
            });
        }
        if let Some((_, earlier)) = entry.stages.first() {
            return Err(HostFault::RootAndStages {
                host: host.to_owned(),
                earlier: *earlier,
            });
        }
        entry.root = Some(stage);
        Ok(())
    }

    /// Serves `stage` at `/{name}/…` of `host`, or of every host that no pattern names.
    pub fn stage(
        &mut self,
        host: Option<&str>,
        name: &str,
        stage: StageIndex,
    ) -> Result<(), HostFault> {
        let shown = host.unwrap_or("any host");
        let entry = self.entry(host)?;
        if let Some(earlier) = entry.root {
            return Err(HostFault::RootAndStages {
                host: shown.to_owned(),
                earlier,
            });
        }
        let known = entry
            .stages
            .iter()
            .find(|(known, _)| **known == *name.as_bytes());
        if let Some((_, earlier)) = known {
            return Err(HostFault::Taken {
                what: format!("/{name} on {shown}"),
                earlier: *earlier,
            });
        }
        entry.stages.push((name.as_bytes().into(), stage));
        Ok(())
    }

    /// Freezes the map.
    #[must_use]
    pub fn finish(mut self) -> HostMap {
        for table in [&mut self.exact, &mut self.wildcard] {
            table.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        }
        HostMap {
            exact: self.exact.into(),
            wildcard: self.wildcard.into(),
            any: self.any,
        }
    }

    fn entry(&mut self, host: Option<&str>) -> Result<&mut Entry, HostFault> {
        let Some(host) = host else {
            return Ok(&mut self.any);
        };
        let bad = || HostFault::BadHost {
            host: host.to_owned(),
        };
        let name = host.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let (table, key) = match name.strip_prefix('*') {
            Some(tail) => (&mut self.wildcard, tail),
            None => (&mut self.exact, name),
        };
        let plain = if key.len() == name.len() {
            key
        } else {
            key.strip_prefix('.').ok_or_else(bad)?
        };
        if !is_host_name(plain) {
            return Err(bad());
        }
        let index = match table
            .iter()
            .position(|(known, _)| **known == *key.as_bytes())
        {
            Some(index) => index,
            None => {
                table.push((key.as_bytes().into(), Entry::default()));
                table.len() - 1
            }
        };
        Ok(&mut table[index].1)
    }
}

/// A DNS name, an IPv4 address or a bracketed IPv6 address, without port.
fn is_host_name(name: &str) -> bool {
    const HOST_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    if let Some(inner) = name.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    name.len() <= HOST_BYTES_MAX
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_BYTES_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
