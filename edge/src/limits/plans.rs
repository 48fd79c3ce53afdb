//! Usage plans as cores read them.
//!
//! Shape: a plan has its stages by tag, sorted, and in them the methods with limits of their own,
//! sorted as well. A plan keeps its number for as long as a directory and its successors live, so
//! that keys need not be told of changed plans. Units: none. Ranges: 2^32 plans. Errors: those of
//! [`DirectoryFault`] that are about plans. Source: API Gateway API reference, `UsagePlan`.

use std::collections::BTreeMap;

use super::{
    directory::{DirectoryFault, PlanRecord},
    id::Id,
    level::{Identity, Level},
    quota::Quota,
    rate::{Limit, Rate},
};

/// A plan that keys are in.
#[derive(Debug)]
pub struct UsagePlan {
    /// Its id.
    pub id: Id,
    /// How often each key may call.
    pub limit: Option<Limit>,
    /// How many calls each key has.
    pub quota: Option<Quota>,
    /// What the buckets of its keys are found by, beside the key.
    keys: u64,
    stages: Box<[UsageStage]>,
}

/// A stage in a plan.
#[derive(Debug)]
pub struct UsageStage {
    tag: u64,
    methods: Box<[UsageMethod]>,
}

/// A method with a limit of its own.
#[derive(Debug)]
struct UsageMethod {
    tag: u64,
    limit: Limit,
    /// What the buckets of keys at this method are found by, beside the key.
    keys: u64,
}

/// All plans, by number.
#[derive(Debug, Default)]
pub struct UsagePlans {
    plans: Box<[UsagePlan]>,
    numbers: BTreeMap<Id, u32>,
}

impl UsagePlans {
    /// The plans of `records`, numbered as `before` where it has them.
    pub(super) fn new(
        records: &[PlanRecord],
        before: Option<&UsagePlans>,
    ) -> Result<UsagePlans, DirectoryFault> {
        let mut numbers = before
            .map(|before| before.numbers.clone())
            .unwrap_or_default();
        let mut plans: BTreeMap<u32, UsagePlan> = BTreeMap::new();
        for record in records {
            let next = u32::try_from(numbers.len()).map_err(|_| DirectoryFault::Full)?;
            let number = *numbers.entry(record.id).or_insert(next);
            if plans.insert(number, UsagePlan::new(record)?).is_some() {
                return Err(DirectoryFault::SamePlan(record.id));
            }
        }
        for (id, number) in &numbers {
            plans.entry(*number).or_insert_with(|| UsagePlan::gone(*id));
        }
        Ok(UsagePlans {
            plans: plans.into_values().collect(),
            numbers,
        })
    }

    /// A plan by number.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&UsagePlan> {
        self.plans.get(number as usize)
    }

    /// All plans that list a stage.
    pub fn iter(&self) -> impl Iterator<Item = &UsagePlan> {
        self.plans.iter().filter(|plan| !plan.stages.is_empty())
    }

    pub(super) fn index(&self, id: Id) -> Option<u32> {
        self.numbers.get(&id).copied()
    }

    /// Two of the plans in `set` that list one stage.
    pub(super) fn overlap(&self, set: &[u32]) -> Option<(Id, Id)> {
        let plans: Vec<&UsagePlan> = set.iter().filter_map(|number| self.get(*number)).collect();
        for (i, one) in plans.iter().enumerate() {
            let others = plans.iter().skip(i + 1);
            for other in others {
                if one
                    .stages
                    .iter()
                    .any(|stage| other.stage(stage.tag).is_some())
                {
                    return Some((one.id, other.id));
                }
            }
        }
        None
    }
}

impl UsagePlan {
    fn new(record: &PlanRecord) -> Result<UsagePlan, DirectoryFault> {
        let limit = |rate: Rate| {
            Limit::new(rate).map_err(|fault| DirectoryFault::Rate {
                plan: record.id,
                fault,
            })
        };
        let id = record.id.number();
        let mut stages = Vec::new();
        for (tag, stage) in record.stage_tags() {
            let mut methods = Vec::new();
            for method in &stage.methods {
                methods.push(UsageMethod {
                    tag: method.tag(),
                    limit: limit(method.rate)?,
                    keys: Level::UsageMethod.scope(&[id, tag, method.tag()]),
                });
            }
            methods.sort_by_key(|method| method.tag);
            let methods = methods.into();
            stages.push(UsageStage { tag, methods });
        }
        stages.sort_by_key(|stage| stage.tag);
        Ok(UsagePlan {
            limit: record.throttle.map(limit).transpose()?,
            quota: record.quota,
            stages: stages.into(),
            ..UsagePlan::gone(record.id)
        })
    }

    /// A plan that lists no stage.
    fn gone(id: Id) -> UsagePlan {
        UsagePlan {
            id,
            limit: None,
            quota: None,
            keys: Level::UsageKey.scope(&[id.number()]),
            stages: Box::default(),
        }
    }

    /// The stage with the tag `tag`, if the plan lists it.
    #[inline]
    #[must_use]
    pub fn stage(&self, tag: u64) -> Option<&UsageStage> {
        let at = self.stages.partition_point(|stage| stage.tag < tag);
        self.stages.get(at).filter(|stage| stage.tag == tag)
    }

    /// Where the bucket and the lease of `key` are.
    #[inline]
    #[must_use]
    pub fn identity(&self, key: Id) -> Identity {
        Identity::of(self.keys, key.number())
    }
}

impl UsageStage {
    /// The limit of each key at the method with the tag `tag`, and where `key`'s bucket is.
    #[inline]
    #[must_use]
    pub fn method_limit(&self, tag: u64, key: Id) -> Option<(&Limit, Identity)> {
        let at = self.methods.partition_point(|method| method.tag < tag);
        let method = self.methods.get(at).filter(|method| method.tag == tag)?;
        Some((&method.limit, Identity::of(method.keys, key.number())))
    }
}
