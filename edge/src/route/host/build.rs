//! Collects hosts, domains and APIs, then freezes them into a [`HostMap`].
//!
//! Shape: [`HostMapBuilder`]; the order in which things are added does not matter. Units: none.
//! Ranges: DNS names, addresses and one leading `*.`. Errors: [`HostFault`] for what is no host or
//! is taken. Source: as the map's.

use super::{
    Api, Base, BasePath, Domain, Entry, HostFault, HostMap, Names, StageIndex, Target,
    rule::{Glob, Rule},
};

/// Collects hosts and stages, then freezes them into a [`HostMap`].
#[derive(Debug, Default)]
pub struct HostMapBuilder {
    exact: Vec<(Box<[u8]>, Draft)>,
    wildcard: Vec<(Box<[u8]>, Draft)>,
    apis: Vec<(Box<[u8]>, Api)>,
    any: Draft,
}

#[derive(Debug, Default)]
struct Draft {
    root: Option<StageIndex>,
    stages: Vec<(Box<[u8]>, StageIndex)>,
    domain: Option<DomainDraft>,
}

#[derive(Debug, Default)]
struct DomainDraft {
    rules: Vec<Rule>,
    bases: Vec<Base>,
}

/// An API as its default hosts serve it.
#[derive(Debug, Default)]
pub struct ApiHosts<'a> {
    pub id: &'a str,
    pub stages: &'a [(&'a str, StageIndex)],
    /// The stage at the root: `$default`.
    pub default: Option<StageIndex>,
    /// The default hosts refuse everything.
    pub is_closed: bool,
    pub is_private: bool,
    /// The endpoints by which a private one may be called; empty: all.
    pub vpc_endpoints: &'a [String],
}

/// A routing rule of a domain.
#[derive(Debug)]
pub struct RuleRow<'a> {
    /// The lowest is asked first.
    pub priority: u32,
    /// Without slashes around them; none: any path.
    pub paths: Option<Vec<&'a str>>,
    /// All of these must hold, each by one of its headers.
    pub headers: Vec<Vec<(&'a str, Glob)>>,
    pub stage: StageIndex,
    /// The resource path begins behind the path that fitted.
    pub strips: bool,
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
        if entry.domain.is_some() {
            return Err(HostFault::Twice {
                what: format!("the host {host}"),
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

    /// Makes a domain of `host`, on which nothing is served but what [`HostMapBuilder::rule`] and
    /// [`HostMapBuilder::base`] say.
    pub fn domain(&mut self, host: &str) -> Result<(), HostFault> {
        let entry = self.entry(Some(host))?;
        if entry.root.is_some() || !entry.stages.is_empty() || entry.domain.is_some() {
            return Err(HostFault::Twice {
                what: format!("the host {host}"),
            });
        }
        entry.domain = Some(DomainDraft::default());
        Ok(())
    }

    /// Gives the domain `host` a rule, which is asked before its base paths.
    pub fn rule(&mut self, host: &str, row: RuleRow<'_>) -> Result<(), HostFault> {
        let domain = self.entry(Some(host))?.domain.get_or_insert_default();
        let rules = &mut domain.rules;
        if rules.iter().any(|rule| rule.priority == row.priority) {
            return Err(HostFault::Twice {
                what: format!("the priority {}", row.priority),
            });
        }
        let paths = row.paths.map(|mut paths| {
            paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
            let paths = paths.into_iter();
            paths.map(|path| BasePath(path.as_bytes().into())).collect()
        });
        let headers = row.headers.into_iter().map(|any| {
            let any = any.into_iter();
            any.map(|(name, glob)| (name.as_bytes().into(), glob))
                .collect()
        });
        rules.push(Rule {
            priority: row.priority,
            paths,
            headers: headers.collect(),
            stage: row.stage,
            strips: row.strips,
        });
        Ok(())
    }

    /// Serves a stage below `path` of the domain `host`, or, when `stage` is none, `stages` by
    /// their names below it. `path` has no slashes around it.
    pub fn base(
        &mut self,
        host: &str,
        path: &str,
        stage: Option<StageIndex>,
        stages: &[(&str, StageIndex)],
    ) -> Result<(), HostFault> {
        let bases = &mut self.entry(Some(host))?.domain.get_or_insert_default().bases;
        if bases.iter().any(|base| *base.path.0 == *path.as_bytes()) {
            return Err(HostFault::Twice {
                what: format!("the path `{path}`"),
            });
        }
        bases.push(Base {
            path: BasePath(path.as_bytes().into()),
            to: match stage {
                Some(stage) => Target::Stage(stage),
                None => Target::Stages(names_of(stages)),
            },
        });
        Ok(())
    }

    /// Gives an API its default hosts.
    pub fn api(&mut self, hosts: &ApiHosts<'_>) -> Result<(), HostFault> {
        let id: Box<[u8]> = hosts.id.to_ascii_lowercase().into_bytes().into();
        if self.apis.iter().any(|(known, _)| *known == id) {
            return Err(HostFault::Twice {
                what: format!("the API id `{}`, as host names ignore case,", hosts.id),
            });
        }
        let endpoints = hosts.vpc_endpoints.iter();
        let api = Api {
            stages: names_of(hosts.stages),
            default: hosts.default,
            is_closed: hosts.is_closed,
            is_private: hosts.is_private,
            vpc_endpoints: endpoints
                .map(|id| id.to_ascii_lowercase().into_bytes().into())
                .collect(),
        };
        self.apis.push((id, api));
        Ok(())
    }

    /// Freezes the map.
    #[must_use]
    pub fn finish(self) -> HostMap {
        let entries = |table: Vec<(Box<[u8]>, Draft)>| {
            let table = table.into_iter();
            sorted(table.map(|(key, draft)| (key, draft.finish())).collect())
        };
        HostMap {
            exact: entries(self.exact).into(),
            wildcard: entries(self.wildcard).into(),
            apis: sorted(self.apis).into(),
            any: self.any.finish(),
        }
    }

    fn entry(&mut self, host: Option<&str>) -> Result<&mut Draft, HostFault> {
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
                table.push((key.as_bytes().into(), Draft::default()));
                table.len() - 1
            }
        };
        Ok(&mut table[index].1)
    }
}

impl Draft {
    fn finish(self) -> Entry {
        let domain = self.domain.map(
            |DomainDraft {
                 mut rules,
                 mut bases,
             }| {
                rules.sort_by_key(|rule| rule.priority);
                bases.sort_by_key(|base| std::cmp::Reverse(base.path.0.len()));
                Domain {
                    rules: rules.into(),
                    bases: bases.into(),
                }
            },
        );
        Entry {
            root: self.root,
            stages: Names(sorted(self.stages)),
            domain,
        }
    }
}

fn names_of(stages: &[(&str, StageIndex)]) -> Names {
    let rows = stages.iter();
    Names(sorted(
        rows.map(|(name, stage)| (name.as_bytes().into(), *stage))
            .collect(),
    ))
}

/// By length, then bytes, as look-ups go.
fn sorted<T>(mut table: Vec<(Box<[u8]>, T)>) -> Vec<(Box<[u8]>, T)> {
    table.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    table
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
