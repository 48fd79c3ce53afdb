//! `tidegate cache stat | flush | purge | get | verify`: the response cache.
//!
//! What it is: asks the running gateway, or opens the cache's files itself: the one that `--path`
//! names, or those of the settings. Shape: [`CacheCommand`], an [`Order`] and where it goes. Units:
//! bytes and seconds, as shown. Errors: 69 when no gateway answers, 3 for settings that do not
//! compile, 1 when the order was refused, nothing is stored, or something is damaged.

use super::{
    Exit, client,
    inputs::Inputs,
    origins,
    print::{aligned, plain},
};
use crate::{
    cache::{Flush, Order, Purge, Refused, Region, Wanted, work},
    process::{control::with_limits, load},
};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tidegate_edge::{
    base::{text::counted, time::Wall},
    cache::{Store, StoreOptions, key_file},
    plan::{Plan, SealPlan},
};

/// What to do, where, and how to print it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheCommand {
    /// What to do.
    pub order: Order,
    /// Whose cache.
    pub place: CachePlace,
    /// Print JSON.
    pub json: bool,
}

/// Whose cache it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CachePlace {
    /// The running gateway's, asked on this socket or on the default one.
    Running(Option<PathBuf>),
    /// The files of these settings, whoever uses them now.
    Settings(Inputs),
    /// This file, sealed by the key in the other.
    File(PathBuf, Option<PathBuf>),
}

impl CacheCommand {
    /// Takes it from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<CacheCommand> {
        let (name, given) = given.subcommand()?;
        let text = |name: &str| given.get_one::<String>(name).cloned();
        let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
        let order = match name {
            "stat" => Order::Stat,
            "verify" => Order::Verify,
            "flush" => Order::Flush(match (text("of"), text("stage")) {
                (Some(api), Some(stage)) => Flush::Stage { api, stage },
                _ => Flush::All,
            }),
            "purge" => Order::Purge(match (text("prefix"), text("url")) {
                (Some(url), _) => Purge::Prefix(url),
                (None, Some(url)) => Purge::Url(url),
                (None, None) => Purge::Tag(text("tag")?),
            }),
            "get" => Order::Get(Wanted {
                url: text("url")?,
                headers: given
                    .get_many("header")
                    .map(|lines| lines.cloned().collect())
                    .unwrap_or_default(),
            }),
            _ => return None,
        };
        let place = match (path("path"), path("config")) {
            (Some(file), _) => CachePlace::File(file, path("key-file")),
            (None, Some(config)) => CachePlace::Settings(Inputs {
                config: Some(config),
                apis: Vec::new(),
                listen: None,
                stage: None,
            }),
            (None, None) => CachePlace::Running(path("admin")),
        };
        Some(CacheCommand {
            order,
            place,
            json: given.get_flag("json"),
        })
    }
}

/// Adds the five commands and their arguments.
pub(super) fn arguments(command: Command) -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flush = Command::new("flush")
        .about("Make everything of a stage, or everything, a miss at once")
        .arg(
            Arg::new("of")
                .long("api")
                .value_name("ID")
                .requires("stage")
                .help("Id of the API"),
        )
        .arg(text("stage", "NAME", "Its stage").requires("of"))
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .conflicts_with("of")
                .help("All stages of all APIs"),
        )
        .group(ArgGroup::new("what").args(["of", "all"]).required(true));
    let purge = Command::new("purge")
        .about("Take away single answers")
        .arg(text("prefix", "URL", "Every URL that begins so"))
        .arg(text("url", "URL", "This URL with all its variants"))
        .arg(text("tag", "TAG", "What its origin tagged so"))
        .group(
            ArgGroup::new("what")
                .args(["prefix", "url", "tag"])
                .required(true),
        );
    let get = Command::new("get")
        .about("Show what is stored for a GET of this URL")
        .arg(
            Arg::new("url")
                .value_name("URL")
                .required(true)
                .help("Absolute URL as clients write it, or a path with its stage"),
        )
        .arg(
            Arg::new("header")
                .long("header")
                .short('H')
                .value_name("LINE")
                .action(ArgAction::Append)
                .help("A header of the request, as in `Accept: text/html`; may be repeated"),
        );
    let stat = Command::new("stat").about("Show figures");
    let verify = Command::new("verify").about("Read everything and compare it with its checks");
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([stat, flush, purge, get, verify].map(place))
        .after_help(
            "Examples:
  tidegate cache stat
  tidegate cache flush --api petstore01 --stage dev
  tidegate cache purge --prefix https://api.example.com/pets/
  tidegate cache get https://api.example.com/pets -H 'Accept: application/json'
  tidegate cache verify --path /var/cache/tidegate/responses

Without --path and --config the running gateway is asked.",
        )
}

/// Adds where the cache is.
fn place(command: Command) -> Command {
    let path = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    command
        .arg(origins::admin().conflicts_with_all(["path", "config"]))
        .arg(path("path", "FILE", "Open this file instead").conflicts_with("config"))
        .arg(path("key-file", "FILE", "The key that seals it").requires("path"))
        .arg(path("config", "FILE", "Open the files of these settings instead").short('c'))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print JSON"),
        )
}

/// Does it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(command) = CacheCommand::read(given) else {
        return Exit::Usage.into();
    };
    match answer(&command) {
        Ok(value) => {
            if command.json {
                println!("{value:#}");
            } else {
                print!("{}", shown(&command.order, &value));
            }
            verdict(&command.order, &value).into()
        }
        Err((exit, reason)) => {
            eprintln!("tidegate: {}", reason.trim_end());
            exit.into()
        }
    }
}

fn answer(command: &CacheCommand) -> Result<Value, (Exit, String)> {
    let failed = |reason: String| (Exit::Failed, reason);
    match &command.place {
        CachePlace::Running(admin) => ask(admin.as_deref(), &command.order),
        CachePlace::File(path, key_file) => {
            let key = key_file.as_deref().map(key_file::read).transpose();
            let name = path.display().to_string();
            let region = open(name, path, key.map_err(failed)?).map_err(failed)?;
            perform(&command.order, &[region], None)
        }
        CachePlace::Settings(inputs) => {
            let sources = inputs.clone().sources();
            let loaded = load::load(&sources, 1);
            loaded.print_report();
            let invalid = || (Exit::InvalidConfiguration, "no cache was opened".to_owned());
            let plan = with_limits(loaded.plan.ok_or_else(invalid)?, &sources);
            let regions = open_of(&plan).map_err(failed)?;
            perform(&command.order, &regions, Some(&plan))
        }
    }
}

fn ask(admin: Option<&Path>, order: &Order) -> Result<Value, (Exit, String)> {
    let (method, target) = order.request();
    let answer = client::ask_patiently(admin, method, &target, WALK_MAX)
        .map_err(|error| (Exit::Unavailable, error.to_string()))?;
    if answer.status != 200 {
        return Err((Exit::Failed, answer.body));
    }
    serde_json::from_str(&answer.body).map_err(|error| {
        let reason = format!("the gateway's answer cannot be read: {error}");
        (Exit::Failed, reason)
    })
}

fn perform(
    order: &Order,
    regions: &[Region],
    plan: Option<&Plan>,
) -> Result<Value, (Exit, String)> {
    work::perform(order, regions, plan, now())
        .map_err(|Refused { reason, .. }| (Exit::Failed, reason))
}

/// The regions of a plan: all of them, or none, so that nothing is done by halves.
fn open_of(plan: &Plan) -> Result<Vec<Region>, String> {
    let cache = plan
        .cache
        .as_ref()
        .ok_or("the settings have no `[cache]`")?;
    let key = match &cache.seal {
        SealPlan::None => None,
        SealPlan::File(file) => Some(key_file::read(file)?),
        SealPlan::Boot => {
            return Err("only the running gateway knows its key; ask it instead".to_owned());
        }
    };
    let regions = cache.regions.iter().map(|region| {
        let path = region
            .path
            .as_ref()
            .ok_or("there is no runtime directory")?;
        open(region.of.to_string(), path, key)
    });
    regions.collect()
}

fn open(name: String, path: &Path, key: Option<[u8; 32]>) -> Result<Region, String> {
    // Capacity and limits are those of the file.
    let mut options = StoreOptions::new(path, 0, now().0);
    options.key = key;
    let store = Store::open_existing(&options).map_err(|fault| fault.to_string())?;
    Ok(Region { name, store })
}

/// Failure where what was asked for is not there, or is not whole.
fn verdict(order: &Order, value: &Value) -> Exit {
    let is_good = match order {
        Order::Get(_) => value["found"] == true,
        Order::Verify => value["damaged"] == 0,
        Order::Stat | Order::Flush(_) | Order::Purge(_) => true,
    };
    if is_good { Exit::Ok } else { Exit::Failed }
}

fn shown(order: &Order, value: &Value) -> String {
    match order {
        Order::Flush(_) => "flushed\n".to_owned(),
        Order::Purge(_) => {
            let removed = value["removed"].as_u64().unwrap_or(0);
            format!("{} removed\n", counted(removed, "object"))
        }
        Order::Stat | Order::Get(_) | Order::Verify => {
            let each = value["regions"].as_array().into_iter().flatten();
            let each: String = each.map(|region| format!("\n{}", rows(region))).collect();
            rows(value) + &each
        }
    }
}

/// One line a member; members of members behind their names, lists one below the other. Regions
/// have rows of their own.
fn rows(value: &Value) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let members = value.as_object().into_iter().flatten();
    for (name, member) in members.filter(|(name, _)| *name != "regions") {
        let name = name.replace('_', " ");
        match member {
            Value::Object(inner) => rows.extend(inner.iter().map(|(sub, value)| {
                let sub = sub.replace('_', " ");
                (format!("{name}, {sub}"), plain(value))
            })),
            Value::Array(list) if list.iter().all(Value::is_number) => {
                let all: Vec<String> = list.iter().map(plain).collect();
                rows.push((name, all.join(", ")));
            }
            Value::Array(list) => rows.extend(list.iter().enumerate().map(|(nth, value)| {
                let name = if nth == 0 {
                    name.clone()
                } else {
                    String::new()
                };
                (name, plain(value))
            })),
            other => rows.push((name, plain(other))),
        }
    }
    aligned(&rows)
}

/// The wall clock; there is no ring to ask.
#[allow(clippy::disallowed_methods)] // a command, not a core
fn now() -> Wall {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Wall(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}

/// Longest walk over a cache of the largest size.
const WALK_MAX: Duration = Duration::from_secs(3600);
