//! `tidegate plans …`: usage plans.
//!
//! Shape: [`read`] makes an [`Order`] of a command line: one command for each kind of patch that
//! API Gateway has. Units: requests a second, requests. Errors: those of `store`.

use std::{collections::BTreeMap, process::ExitCode};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde_json::Value;

use super::{
    Exit, print,
    store::{self, Asked, StorePlace},
};
use crate::store::{
    order::Order,
    plans::{ApiStage, NewPlan, PlanChange, QuotaChange, Throttle},
};

/// Adds the commands and their arguments.
pub(super) fn arguments(command: Command) -> Command {
    let named = |name: &'static str, about: &'static str| {
        let id = Arg::new("id")
            .value_name("PLAN")
            .required(true)
            .help("Id of the plan");
        Command::new(name).about(about).arg(id)
    };
    let key = || {
        Arg::new("key")
            .value_name("KEY")
            .required(true)
            .help("Id of the key")
    };
    let create = texts(Command::new("create").about("Make a usage plan"), true)
        .args(rates())
        .args(quotas(["quota-limit", "quota-period", "quota-offset"]))
        .arg(stage_option("Open this stage of an API; may be repeated").action(ArgAction::Append));
    let list = Command::new("list")
        .about("List usage plans, the newest first")
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("KEY")
                .help("Only plans that this key is in"),
        );
    let update = texts(named("update", "Change texts and tags"), false).group(
        ArgGroup::new("change")
            .args(["name", "description", "product-code", "tag"])
            .multiple(true)
            .required(true),
    );
    let throttle = named(
        "throttle",
        "Limit the rate of each key, or of each key at one method",
    )
    .args(rates())
    .arg(remove("The limit is taken away", &["rate", "burst"]))
    .arg(stage_option("Of this stage alone; with --method or --all"))
    .arg(
        Arg::new("method")
            .long("method")
            .value_name("PATH/VERB")
            .requires("stage")
            .help("At this method alone, as in /pets/GET"),
    )
    .arg(
        Arg::new("all")
            .long("all")
            .value_name("JSON")
            .requires("stage")
            .value_parser(methods)
            .conflicts_with_all(["rate", "burst", "remove", "method"])
            .help("All limits of methods at once, by PATH/VERB; others are taken away"),
    )
    .group(
        ArgGroup::new("what")
            .args(["rate", "burst", "remove", "all"])
            .multiple(true)
            .required(true),
    );
    let quota = named(
        "quota",
        "Limit how much each key uses in a day, week or month",
    )
    .args(quotas(["limit", "period", "offset"]))
    .arg(remove(
        "The quota is taken away",
        &["limit", "period", "offset"],
    ))
    .group(
        ArgGroup::new("what")
            .args(["limit", "period", "offset", "remove"])
            .multiple(true)
            .required(true),
    );
    let staged = |name: &'static str, about: &'static str| {
        let stage = Arg::new("stage").value_name("API:STAGE").required(true);
        named(name, about).arg(
            stage
                .value_parser(store::stage)
                .help("As in petstore01:dev"),
        )
    };
    let all = [
        create,
        list,
        named("show", "Show a usage plan"),
        update,
        throttle,
        quota,
        staged("add-stage", "Open a stage of an API"),
        staged("remove-stage", "Close a stage of an API"),
        named("attach", "Put a key into a plan").arg(key()),
        named("detach", "Take a key out of a plan").arg(key()),
        named(
            "delete",
            "Take a plan away, with what was written of its use",
        ),
    ];
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(all.map(store::place))
        .after_help(
            "Examples:
  tidegate plans create --name gold --rate 50 --burst 100 --stage petstore01:dev
  tidegate plans quota k3yp1an001 --limit 5000 --period MONTH
  tidegate plans throttle k3yp1an001 --stage petstore01:dev --method /pets/GET --rate 1 --burst 2
  tidegate plans attach k3yp1an001 f0yrv6abcd

Without --config and --store the running gateway is asked.",
        )
}

fn texts(command: Command, is_new: bool) -> Command {
    let empty = if is_new { "" } else { "; empty takes it away" };
    let text =
        |name: &'static str, help: String| Arg::new(name).long(name).value_name("TEXT").help(help);
    command
        .arg(text("name", "Its name".to_owned()).required(is_new))
        .arg(text("description", format!("Free text{empty}")))
        .arg(text("product-code", format!("Of a marketplace{empty}")))
        .arg(
            Arg::new("tag")
                .long("tag")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .value_parser(store::pair)
                .help(format!("A tag{empty}; may be repeated")),
        )
}

fn rates() -> [Arg; 2] {
    [
        Arg::new("rate")
            .long("rate")
            .value_name("PER-SECOND")
            .value_parser(value_parser!(f64))
            .help("Requests a second, decimals allowed"),
        Arg::new("burst")
            .long("burst")
            .value_name("COUNT")
            .value_parser(value_parser!(u32))
            .help("Requests at once"),
    ]
}

/// `longs` are their names on the command line.
fn quotas(longs: [&'static str; 3]) -> [Arg; 3] {
    let [limit, period, offset] = longs;
    let option = |name: &'static str, long: &'static str, value: &'static str| {
        Arg::new(name).long(long).value_name(value)
    };
    [
        option("limit", limit, "COUNT")
            .help("Requests in a window")
            .value_parser(value_parser!(u64)),
        option("period", period, "PERIOD")
            .help("The window, in UTC")
            .value_parser(["DAY", "WEEK", "MONTH"]),
        option("offset", offset, "DAYS")
            .help("First day of the window: 0 is Sunday, or the 1st")
            .value_parser(value_parser!(u32)),
    ]
}

fn remove(help: &'static str, instead_of: &[&'static str]) -> Arg {
    Arg::new("remove")
        .long("remove")
        .action(ArgAction::SetTrue)
        .conflicts_with_all(instead_of)
        .help(help)
}

fn stage_option(help: &'static str) -> Arg {
    Arg::new("stage")
        .long("stage")
        .value_name("API:STAGE")
        .value_parser(store::stage)
        .help(help)
}

/// `{"/pets/GET":{"rateLimit":1,"burstLimit":2}}`.
fn methods(text: &str) -> Result<BTreeMap<String, Throttle>, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("an object is needed, as in {{\"/pets/GET\":{{\"rateLimit\":1,\"burstLimit\":2}}}}: {error}")
    })
}

/// What to do.
pub(super) fn read(given: &ArgMatches) -> Option<(Order, StorePlace, bool)> {
    let (name, given) = given.subcommand()?;
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let id = || text("id");
    let change = |change: PlanChange| {
        id().map(|id| Order::UpdatePlan {
            id,
            changes: vec![change],
        })
    };
    let stage = || given.get_one::<ApiStage>("stage").cloned();
    let order = match name {
        "create" => Order::CreatePlan {
            plan: new_plan(given)?,
        },
        "list" => Order::ListPlans { key: text("key") },
        "show" => Order::GetPlan { id: id()? },
        "update" => Order::UpdatePlan {
            id: id()?,
            changes: text_changes(given),
        },
        "throttle" => change(throttle(given)?)?,
        "quota" if given.get_flag("remove") => change(PlanChange::NoQuota)?,
        "quota" => change(PlanChange::Quota(quota(given)))?,
        "add-stage" => change(PlanChange::AddStage(stage()?))?,
        "remove-stage" => change(PlanChange::RemoveStage(stage()?))?,
        "attach" => Order::AttachKey {
            plan: id()?,
            key: text("key")?,
        },
        "detach" => Order::DetachKey {
            plan: id()?,
            key: text("key")?,
        },
        "delete" => Order::DeletePlan { id: id()? },
        _ => return None,
    };
    Some((order, StorePlace::read(given), given.get_flag("json")))
}

fn new_plan(given: &ArgMatches) -> Option<NewPlan> {
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let rate_limit = given.get_one::<f64>("rate").copied();
    let burst_limit = given.get_one::<u32>("burst").copied();
    // One without the other is asked back by the store.
    let throttle = (rate_limit.is_some() || burst_limit.is_some()).then(|| Throttle {
        rate_limit: rate_limit.unwrap_or(f64::NAN),
        burst_limit: burst_limit.unwrap_or(u32::MAX),
    });
    let quota = quota(given);
    Some(NewPlan {
        name: text("name")?,
        description: text("description"),
        product_code: text("product-code"),
        throttle,
        quota: (quota != QuotaChange::default()).then_some(quota),
        stages: given
            .get_many("stage")
            .map(|stages| stages.cloned().collect())
            .unwrap_or_default(),
        tags: tags(given),
    })
}

fn tags(given: &ArgMatches) -> BTreeMap<String, String> {
    let pairs = given.get_many::<(String, String)>("tag");
    pairs
        .map(|pairs| pairs.cloned().collect())
        .unwrap_or_default()
}

fn text_changes(given: &ArgMatches) -> Vec<PlanChange> {
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let tags = tags(given);
    let changes = [
        text("name").map(PlanChange::Name),
        text("description").map(PlanChange::Description),
        text("product-code").map(PlanChange::ProductCode),
        (!tags.is_empty()).then_some(PlanChange::Tags(tags)),
    ];
    changes.into_iter().flatten().collect()
}

fn quota(given: &ArgMatches) -> QuotaChange {
    QuotaChange {
        limit: given.get_one("limit").copied(),
        offset: given.get_one("offset").copied(),
        period: given.get_one("period").cloned(),
    }
}

fn throttle(given: &ArgMatches) -> Option<PlanChange> {
    let stage = given.get_one::<ApiStage>("stage").cloned();
    let method = given.get_one::<String>("method").cloned();
    let rate = given.get_one("rate").copied();
    let burst = given.get_one("burst").copied();
    let all = given.get_one::<BTreeMap<String, Throttle>>("all").cloned();
    Some(match (stage, method, all, given.get_flag("remove")) {
        (None, None, None, true) => PlanChange::NoThrottle,
        (None, None, None, false) => PlanChange::Throttle { rate, burst },
        (Some(stage), Some(method), None, true) => PlanChange::NoMethod { stage, method },
        (Some(stage), Some(method), None, false) => PlanChange::Method {
            stage,
            method,
            rate,
            burst,
        },
        (Some(stage), None, Some(throttles), false) => PlanChange::Methods { stage, throttles },
        _ => return None,
    })
}

/// Does it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some((order, place, json)) = read(given) else {
        eprintln!("tidegate: --stage goes with --method or --all");
        return Exit::Usage.into();
    };
    let kind = order.clone();
    let asked = Asked {
        order,
        place,
        payload: Vec::new(),
        json,
    };
    store::execute(&asked, |value| shown(&kind, value))
}

fn shown(order: &Order, value: &Value) -> String {
    match order {
        Order::ListPlans { .. } => list(value),
        Order::DeletePlan { id } => format!("{id} deleted\n"),
        Order::AttachKey { plan, key } => format!("{key} is in {plan}\n"),
        Order::DetachKey { plan, key } => format!("{key} is not in {plan} any more\n"),
        _ => print::members(value),
    }
}

fn list(value: &Value) -> String {
    let items = value["items"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = items
        .map(|plan| {
            let throttle = &plan["throttle"];
            let pace = match throttle {
                Value::Null => String::new(),
                _ => format!("{}/s, {}", throttle["rateLimit"], throttle["burstLimit"]),
            };
            let quota = &plan["quota"];
            let quota = match quota {
                Value::Null => String::new(),
                _ => format!("{}/{}", quota["limit"], print::plain(&quota["period"])),
            };
            let stages = plan["apiStages"].as_array().into_iter().flatten();
            let stages: Vec<String> = stages
                .map(|stage| {
                    format!(
                        "{}:{}",
                        print::plain(&stage["apiId"]),
                        print::plain(&stage["stage"])
                    )
                })
                .collect();
            vec![
                print::plain(&plan["id"]),
                print::plain(&plan["name"]),
                pace,
                quota,
                stages.join(" "),
            ]
        })
        .collect();
    print::table(&["ID", "NAME", "RATE, BURST", "QUOTA", "STAGES"], &rows)
}
