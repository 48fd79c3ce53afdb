//! The directory of API keys: from the value in a request to the plan that it falls under.
//!
//! What it is: everything a core needs of keys and usage plans, immutable behind a pointer. The
//! control side fills it: it hands over one [`KeyRecord`] for each key, with the tag it keeps
//! beside the sealed value (so nothing is opened at a start), and one [`PlanRecord`] for each
//! plan. A change of keys is [`Directory::with_keys`], which makes a new directory that shares
//! all shards but those of the keys; a change of plans is [`Directory::with_plans`].
//!
//! ```text
//! value ─KeyHasher─▶ tag ─first byte─▶ shard ─▶ entry { tag, id, plans, enabled }
//!                                                  │ one set of plans for many keys
//!                                                  ▼
//!                          UsagePlan that lists the stage ─▶ limit, quota, limit of the method
//! ```
//!
//! Shape: [`SHARDS`] shards, each a table with linear probing, four fifths full, so 40 bytes for a
//! key. How long a look-up takes depends on the tag alone, which nobody outside can compute.
//! Units: keys. Ranges: [`PLANS_PER_KEY_MAX`] plans for a key. Errors: [`DirectoryFault`] of
//! building; a look-up answers `None`.
//! Source: API Gateway developer guide, "usage plans and API keys".

use std::{collections::BTreeMap, sync::Arc};

use super::{
    id::Id,
    key::{KeyHasher, Tag},
    names::{method_tag, stage_tag},
    plans::{UsagePlan, UsagePlans, UsageStage},
    quota::Quota,
    rate::{Rate, RateFault},
    table::Hint,
};

/// An API key, as the control side tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRecord {
    /// `id`.
    pub id: Id,
    /// The tag of its value.
    pub tag: Tag,
    /// `enabled`.
    pub enabled: bool,
    /// The plans it is in.
    pub plans: Vec<Id>,
}

/// A usage plan, as the control side tells of it.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanRecord {
    /// `id`.
    pub id: Id,
    /// `throttle`, for each key.
    pub throttle: Option<Rate>,
    /// `quota`, for each key.
    pub quota: Option<Quota>,
    /// `apiStages`.
    pub stages: Vec<PlanStage>,
}

/// A stage that a plan is for.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanStage {
    /// `apiId`.
    pub api: String,
    /// `stage`.
    pub stage: String,
    /// `throttle`, for each key and method.
    pub methods: Vec<MethodRate>,
}

/// A method with a limit of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct MethodRate {
    /// `GET`, or `ANY` for the method that takes the rest.
    pub verb: String,
    /// The resource as its document writes it.
    pub path: String,
    /// Its limit.
    pub rate: Rate,
}

/// Why there is no directory.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryFault {
    /// Two keys have one value.
    #[error("the keys {0} and {1} have the same value")]
    SameValue(Id, Id),
    /// Two plans have one id.
    #[error("there are two plans {0}")]
    SamePlan(Id),
    /// A key is in a plan that does not exist.
    #[error("the key {key} is in a plan {plan} that does not exist")]
    NoPlan {
        /// The key.
        key: Id,
        /// The plan.
        plan: Id,
    },
    /// A key is in two plans for one stage, so that it is not clear which one counts.
    #[error("the key {key} is in the plans {first} and {second}, which list the same stage")]
    TwoPlans {
        /// The key.
        key: Id,
        /// One plan.
        first: Id,
        /// The other.
        second: Id,
    },
    /// A key is in too many plans.
    #[error("the key {0} is in more than {PLANS_PER_KEY_MAX} plans")]
    ManyPlans(Id),
    /// A plan's rate cannot be counted.
    #[error("the plan {plan}: {fault}")]
    Rate {
        /// The plan.
        plan: Id,
        /// What is wrong.
        fault: RateFault,
    },
    /// More keys, plans or sets of plans than the tables can number.
    #[error("there are too many keys or plans")]
    Full,
}

/// Most plans that one key is in.
pub const PLANS_PER_KEY_MAX: usize = 10;
/// Parts that are made anew apart from each other.
pub const SHARDS: usize = 256;

/// All keys and plans, as cores read them.
#[derive(Debug)]
pub struct Directory {
    hasher: KeyHasher,
    plans: Arc<UsagePlans>,
    shards: Box<[Arc<Shard>]>,
}

/// A key that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'d> {
    /// Its id.
    pub id: Id,
    /// It may be used.
    pub enabled: bool,
    /// Where its bucket was.
    pub(super) hint: &'d Hint,
    plans: &'d [u32],
    all: &'d UsagePlans,
}

impl<'d> Found<'d> {
    /// The one plan that lists the stage with the tag `stage`, and what it says of it.
    #[inline]
    #[must_use]
    pub fn plan(&self, stage: u64) -> Option<(&'d UsagePlan, &'d UsageStage)> {
        self.plans.iter().find_map(|index| {
            let plan = self.all.get(*index)?;
            Some((plan, plan.stage(stage)?))
        })
    }
}

impl Directory {
    /// A directory of `keys` and `plans`; their tags were made by `hasher`.
    ///
    /// # Errors
    /// As [`DirectoryFault`]; the first that is found.
    pub fn build(
        hasher: KeyHasher,
        plans: &[PlanRecord],
        keys: impl IntoIterator<Item = KeyRecord>,
    ) -> Result<Directory, DirectoryFault> {
        let plans = Arc::new(UsagePlans::new(plans, None)?);
        let mut drafts: Vec<Draft> = (0..SHARDS).map(|_| Draft::default()).collect();
        for key in keys {
            let shard = shard_of(key.tag);
            if let Some(draft) = drafts.get_mut(shard) {
                draft.add(&key, &plans)?;
            }
        }
        let shards: Result<_, _> = drafts
            .into_iter()
            .map(|d| d.finish().map(Arc::new))
            .collect();
        Ok(Directory {
            hasher,
            plans,
            shards: shards?,
        })
    }

    /// One without keys and plans: every key is unknown.
    #[must_use]
    pub fn empty() -> Directory {
        Directory {
            hasher: KeyHasher::new(&[0; 16]),
            plans: Arc::default(),
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
        }
    }

    /// The same with `changed` keys, new ones among them, in place of those of the same id, and
    /// without the keys whose old tags are in `removed`. A key whose value changed is both.
    ///
    /// # Errors
    /// As [`DirectoryFault`].
    pub fn with_keys(
        &self,
        changed: &[KeyRecord],
        removed: &[Tag],
    ) -> Result<Directory, DirectoryFault> {
        let mut touched: BTreeMap<usize, (Vec<&KeyRecord>, Vec<Tag>)> = BTreeMap::new();
        for key in changed {
            touched.entry(shard_of(key.tag)).or_default().0.push(key);
        }
        for tag in removed {
            touched.entry(shard_of(*tag)).or_default().1.push(*tag);
        }
        let mut shards = self.shards.clone();
        for (index, (changed, removed)) in touched {
            let Some(shard) = shards.get_mut(index) else {
                continue;
            };
            let mut draft = Draft::default();
            for entry in shard.entries() {
                let is_gone = removed.iter().any(|tag| tag.equals(entry.tag))
                    || changed.iter().any(|key| key.id == entry.id);
                if !is_gone {
                    draft.keep(entry, shard)?;
                }
            }
            for key in changed {
                draft.add(key, &self.plans)?;
            }
            *shard = Arc::new(draft.finish()?);
        }
        Ok(Directory {
            hasher: self.hasher.clone(),
            plans: Arc::clone(&self.plans),
            shards,
        })
    }

    /// The same with other plans. A plan that is gone lists no stage any more; keys stay in it.
    /// It is the control side's part to see that no key gets two plans for one stage.
    ///
    /// # Errors
    /// As [`DirectoryFault`].
    pub fn with_plans(&self, plans: &[PlanRecord]) -> Result<Directory, DirectoryFault> {
        Ok(Directory {
            hasher: self.hasher.clone(),
            plans: Arc::new(UsagePlans::new(plans, Some(&self.plans))?),
            shards: self.shards.clone(),
        })
    }

    /// The key whose value is `value`, enabled or not.
    #[inline]
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<Found<'_>> {
        self.find_tag(self.hasher.tag(value)?)
    }

    /// The key with this tag.
    #[inline]
    #[must_use]
    pub fn find_tag(&self, tag: Tag) -> Option<Found<'_>> {
        let shard = self.shards.get(shard_of(tag))?;
        let entry = shard.find(tag)?;
        Some(Found {
            id: entry.id?,
            enabled: entry.set & ENABLED != 0,
            hint: &entry.hint,
            plans: shard.sets.get((entry.set & !ENABLED) as usize)?,
            all: &self.plans,
        })
    }

    /// The plans.
    #[must_use]
    pub fn plans(&self) -> &UsagePlans {
        &self.plans
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.shards.iter().map(|shard| shard.count).sum()
    }

    /// Bytes that keys take, plans apart.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        let of = |shard: &Arc<Shard>| size_of::<Shard>() + shard.places.len() * size_of::<Place>();
        self.shards.iter().map(of).sum()
    }
}

/// Keys whose tags begin alike.
#[derive(Debug, Default)]
struct Shard {
    places: Box<[Place]>,
    /// Sets of plans that keys of this shard are in, by [`Place::set`].
    sets: Box<[Box<[u32]>]>,
    count: usize,
}

/// Room for one key.
#[derive(Debug)]
struct Place {
    tag: Tag,
    /// `None`: free, and no look-up goes beyond.
    id: Option<Id>,
    /// The number of its set of plans, and [`ENABLED`].
    set: u32,
    /// Where its bucket in the plan it used last is.
    hint: Hint,
}

/// The bit of [`Place::set`] that says that a key may be used.
const ENABLED: u32 = 1 << 31;

const _: () = assert!(size_of::<Place>() == 32, "a key's share of its 128 bytes");

/// A key in a shard.
#[derive(Clone, Copy)]
struct Entry {
    tag: Tag,
    id: Id,
    set: u32,
    enabled: bool,
}

impl Shard {
    #[inline]
    fn find(&self, tag: Tag) -> Option<&Place> {
        let from = home(tag, self.places.len());
        let (before, behind) = self.places.split_at_checked(from)?;
        for places in [behind, before] {
            for place in places {
                if place.tag.equals(tag) {
                    return Some(place);
                }
                place.id?;
            }
        }
        None
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.places.iter().filter_map(|place| {
            Some(Entry {
                tag: place.tag,
                id: place.id?,
                set: place.set & !ENABLED,
                enabled: place.set & ENABLED != 0,
            })
        })
    }
}

/// A shard in the making.
#[derive(Default)]
struct Draft {
    entries: Vec<Entry>,
    sets: BTreeMap<Box<[u32]>, u32>,
}

impl Draft {
    fn add(&mut self, key: &KeyRecord, plans: &UsagePlans) -> Result<(), DirectoryFault> {
        if key.plans.len() > PLANS_PER_KEY_MAX {
            return Err(DirectoryFault::ManyPlans(key.id));
        }
        let index = |plan: &Id| {
            plans.index(*plan).ok_or(DirectoryFault::NoPlan {
                key: key.id,
                plan: *plan,
            })
        };
        let mut set: Vec<u32> = key.plans.iter().map(index).collect::<Result<_, _>>()?;
        set.sort_unstable();
        set.dedup();
        if let Some((first, second)) = plans.overlap(&set) {
            let key = key.id;
            return Err(DirectoryFault::TwoPlans { key, first, second });
        }
        let set = self.set(set.into())?;
        self.entries.push(Entry {
            tag: key.tag,
            id: key.id,
            set,
            enabled: key.enabled,
        });
        Ok(())
    }

    fn keep(&mut self, entry: Entry, from: &Shard) -> Result<(), DirectoryFault> {
        let set = from.sets.get(entry.set as usize).cloned();
        let set = self.set(set.unwrap_or_default())?;
        self.entries.push(Entry { set, ..entry });
        Ok(())
    }

    fn set(&mut self, plans: Box<[u32]>) -> Result<u32, DirectoryFault> {
        let next = u32::try_from(self.sets.len())
            .ok()
            .filter(|next| next & ENABLED == 0);
        let next = next.ok_or(DirectoryFault::Full)?;
        Ok(*self.sets.entry(plans).or_insert(next))
    }

    fn finish(self) -> Result<Shard, DirectoryFault> {
        let count = self.entries.len();
        if count == 0 {
            return Ok(Shard::default());
        }
        let free = || Place {
            tag: Tag::from_bytes([0; 16]),
            id: None,
            set: 0,
            hint: Hint::default(),
        };
        let room = count + count / 4 + 1;
        let mut places: Box<[Place]> = std::iter::repeat_with(free).take(room).collect();
        for entry in self.entries {
            let mut at = home(entry.tag, room);
            loop {
                let place = places.get_mut(at).ok_or(DirectoryFault::Full)?;
                match place.id {
                    None => {
                        *place = Place {
                            tag: entry.tag,
                            id: Some(entry.id),
                            set: entry.set | if entry.enabled { ENABLED } else { 0 },
                            hint: Hint::default(),
                        };
                        break;
                    }
                    Some(other) if place.tag.equals(entry.tag) => {
                        return Err(DirectoryFault::SameValue(other, entry.id));
                    }
                    Some(_) => at = (at + 1) % room,
                }
            }
        }
        let mut sets: Vec<(Box<[u32]>, u32)> = self.sets.into_iter().collect();
        sets.sort_by_key(|(_, number)| *number);
        Ok(Shard {
            places,
            sets: sets.into_iter().map(|(plans, _)| plans).collect(),
            count,
        })
    }
}

/// The shard of a tag: its first byte.
#[inline]
fn shard_of(tag: Tag) -> usize {
    (tag.high() >> 56) as usize
}

/// Where in a shard of `places` a tag is looked for first.
#[inline]
fn home(tag: Tag, places: usize) -> usize {
    let wide = u128::from(tag.high() << 8) * places as u128;
    usize::try_from(wide >> 64).unwrap_or(0)
}

impl PlanRecord {
    /// The tags of its stages and methods, as plans of requests carry them.
    pub(super) fn stage_tags(&self) -> impl Iterator<Item = (u64, &PlanStage)> {
        let of = |stage: &PlanStage| stage_tag(&stage.api, &stage.stage);
        self.stages.iter().map(move |stage| (of(stage), stage))
    }
}

impl MethodRate {
    /// The tag of the method.
    pub(super) fn tag(&self) -> u64 {
        method_tag(&self.verb, &self.path)
    }
}

#[cfg(test)]
mod tests;
