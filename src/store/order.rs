//! What can be asked of the store, as data.
//!
//! What it is: a command on the command line becomes an [`Order`]; where a gateway runs the order
//! goes there over the admin socket, else it is done here. Both do the same. Shape: a message is the
//! order as one line of JSON, then the bytes that belong to it (a CSV file). Units: none. Ranges:
//! [`MESSAGE_BYTES_MAX`]. Errors: [`StoreError`]. Source: API Gateway's operations on API keys and
//! usage plans.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_edge::base::time::Wall;

use super::{
    Store, StoreError,
    deployments::StageChange,
    import::ImportOptions,
    keys::{KeyChange, KeyFilter, NewKey},
    lease::Wanted,
    plans::{self, ApiStage, NewPlan, PlanChange},
    usage::ReportOf,
};

/// One thing to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Make a key, and put it into plans.
    CreateKey {
        /// What it is made of.
        key: NewKey,
        /// Ids of the plans.
        plans: Vec<String>,
    },
    /// Show a key.
    GetKey {
        /// Its id.
        id: String,
        /// Its value too.
        show_value: bool,
    },
    /// List keys.
    ListKeys {
        /// Which.
        filter: KeyFilter,
        /// Their values too.
        show_values: bool,
    },
    /// Change a key.
    UpdateKey {
        /// Its id.
        id: String,
        /// How.
        change: KeyChange,
    },
    /// Take a key away.
    DeleteKey {
        /// Its id.
        id: String,
    },
    /// Import keys from the CSV file that follows.
    ImportKeys {
        /// How.
        options: ImportOptions,
    },
    /// Exchange the key that seals values.
    RotateKey,
    /// Make a plan.
    CreatePlan {
        /// What it is made of.
        plan: NewPlan,
    },
    /// Show a plan.
    GetPlan {
        /// Its id.
        id: String,
    },
    /// List plans.
    ListPlans {
        /// Only those that this key is in.
        key: Option<String>,
    },
    /// Change a plan.
    UpdatePlan {
        /// Its id.
        id: String,
        /// How, in this order.
        changes: Vec<PlanChange>,
    },
    /// Take a plan away.
    DeletePlan {
        /// Its id.
        id: String,
    },
    /// Put a key into a plan.
    AttachKey {
        /// Id of the plan.
        plan: String,
        /// Id of the key.
        key: String,
    },
    /// Take a key out of a plan.
    DetachKey {
        /// Id of the plan.
        plan: String,
        /// Id of the key.
        key: String,
    },
    /// Change what a stage serves; a document follows where one is deployed.
    Change(StageChange),
    /// List the deployments and stages of an API.
    Deployments {
        /// Its id.
        api: String,
    },
    /// Show the document of a deployment.
    Document {
        /// Id of the API.
        api: String,
        /// Id of the deployment.
        id: String,
    },
    /// Take a deployment away.
    DeleteDeployment {
        /// Id of the API.
        api: String,
        /// Id of the deployment.
        id: String,
    },
    /// Show what was used.
    Usage {
        /// Where and when.
        of: ReportOf,
    },
    /// Set what a key has left of its quota.
    Extend {
        /// Id of the plan.
        plan: String,
        /// Id of the key.
        key: String,
        /// Requests.
        remaining: u64,
    },
}

/// Says whether a stage is served; nobody knows where no gateway runs.
pub type IsServed<'a> = Option<&'a dyn Fn(&ApiStage) -> bool>;

impl Order {
    /// The order and its bytes as one message.
    #[must_use]
    pub fn message(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = json!(self).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(payload);
        bytes
    }

    /// The order and its bytes out of a message.
    ///
    /// # Errors
    /// What it is instead.
    pub fn of_message(message: &[u8]) -> Result<(Order, &[u8]), StoreError> {
        let end = message.iter().position(|byte| *byte == b'\n');
        let (line, payload) = message.split_at(end.unwrap_or(message.len()));
        let order = serde_json::from_slice(line)
            .map_err(|error| StoreError::Invalid(format!("the order cannot be read: {error}")))?;
        Ok((order, payload.get(1..).unwrap_or(&[])))
    }

    /// Request cores have to know of it.
    #[must_use]
    pub fn changes_directory(&self) -> bool {
        !matches!(
            self,
            Order::GetKey { .. }
                | Order::ListKeys { .. }
                | Order::GetPlan { .. }
                | Order::ListPlans { .. }
                | Order::Usage { .. }
                | Order::Extend { .. }
                | Order::Change(_)
                | Order::Deployments { .. }
                | Order::Document { .. }
                | Order::DeleteDeployment { .. }
        )
    }

    /// It makes a store where there is none; other orders have nothing to look for there.
    #[must_use]
    pub fn begins_store(&self) -> bool {
        matches!(
            self,
            Order::CreateKey { .. }
                | Order::ImportKeys { .. }
                | Order::CreatePlan { .. }
                | Order::Change(_)
        )
    }

    /// Does it.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn perform(
        &self,
        store: &mut Store,
        payload: &[u8],
        is_served: IsServed<'_>,
        now: Wall,
    ) -> Result<Value, StoreError> {
        let done = |id: &str, what: &str| json!({"id": id, "done": what});
        match self {
            Order::CreateKey { key, plans } => {
                let made = store.create_key_in(key, plans, now)?;
                Ok(made.json())
            }
            Order::GetKey { id, show_value } => Ok(store.key(id, *show_value)?.json()),
            Order::ListKeys {
                filter,
                show_values,
            } => {
                let keys = store.keys(filter, *show_values)?;
                let items: Vec<Value> = keys.iter().map(super::keys::ApiKey::json).collect();
                Ok(json!({"items": items}))
            }
            Order::UpdateKey { id, change } => Ok(store.update_key(id, change, now)?.json()),
            Order::DeleteKey { id } => {
                store.delete_key(id)?;
                Ok(done(id, "deleted"))
            }
            Order::ImportKeys { options } => Ok(store.import(payload, *options, now)?.json()),
            Order::RotateKey => Ok(json!({"values": store.rotate()?})),
            Order::CreatePlan { plan } => {
                check_served("new", plan.stages.iter(), is_served)?;
                Ok(store.create_plan(plan)?.json())
            }
            Order::GetPlan { id } => Ok(store.plan(id)?.json()),
            Order::ListPlans { key } => {
                let plans = store.plans(key.as_deref())?;
                let items: Vec<Value> = plans.iter().map(plans::UsagePlan::json).collect();
                Ok(json!({"items": items}))
            }
            Order::UpdatePlan { id, changes } => {
                let added = changes.iter().filter_map(|change| match change {
                    PlanChange::AddStage(stage) => Some(stage),
                    _ => None,
                });
                check_served(id, added, is_served)?;
                Ok(store.update_plan(id, changes)?.json())
            }
            Order::DeletePlan { id } => {
                store.delete_plan(id)?;
                Ok(done(id, "deleted"))
            }
            Order::AttachKey { plan, key } => store.attach_key(plan, key),
            Order::DetachKey { plan, key } => {
                store.detach_key(plan, key)?;
                Ok(done(key, "detached"))
            }
            Order::Change(change) => store.change(change, (&Store::deployment_id()?, payload), now),
            Order::Deployments { api } => store.deployments(api),
            Order::Document { api, id } => {
                let document = store.deployed_document(api, id)?;
                Ok(json!({"id": id, "document": document.name, "text": document.text}))
            }
            Order::DeleteDeployment { api, id } => {
                store.delete_deployment(api, id)?;
                Ok(done(id, "deleted"))
            }
            Order::Usage { of } => Ok(store.report(of)?.json()),
            Order::Extend {
                plan,
                key,
                remaining,
            } => {
                let left = store.extend(Wanted { plan, key }, *remaining, now)?;
                Ok(json!({"usagePlanId": plan, "keyId": key, "remaining": left}))
            }
        }
    }
}

/// A gateway that runs takes no stage that it does not serve.
fn check_served<'a>(
    id: &str,
    mut added: impl Iterator<Item = &'a ApiStage>,
    is_served: IsServed<'_>,
) -> Result<(), StoreError> {
    let Some(is_served) = is_served else {
        return Ok(());
    };
    match added.find(|stage| !is_served(stage)) {
        Some(stage) => Err(plans::unknown_stage(id, stage)),
        None => Ok(()),
    }
}

/// A million keys, as CSV.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_the_order_and_its_bytes() {
        let orders = [
            Order::RotateKey,
            Order::ImportKeys {
                options: ImportOptions::default(),
            },
            Order::UpdatePlan {
                id: "p".to_owned(),
                changes: vec![PlanChange::NoQuota, PlanChange::Name("n\n".to_owned())],
            },
        ];
        for order in orders {
            for payload in [&b""[..], b"a\n\xffb"] {
                let message = order.message(payload);
                let (read, rest) = Order::of_message(&message).expect("an order");
                assert_eq!((read, rest), (order.clone(), payload));
            }
        }
        for broken in [&b""[..], b"{}", b"{\"order\":\"fly\"}\n", b"\xff\n"] {
            assert!(Order::of_message(broken).is_err());
        }
        let secret = "abcdefghijklmnopqrstuvwxyz";
        let order = Order::CreateKey {
            key: NewKey {
                value: Some(super::super::keys::KeyValue::new(secret.to_owned())),
                ..NewKey::default()
            },
            plans: Vec::new(),
        };
        assert!(
            !format!("{order:?}").contains(secret),
            "no debug text has it"
        );
    }
}
