//! The command line: one table from which the parser, the help and the manual pages come.
//!
//! Shape: [`COMMANDS`] has a row per command; a command lives in the file of its name, with its
//! arguments as a typed struct. Units: as the argument's help says. Errors: an [`Exit`] code, and
//! the reason on standard error. Source: exit codes after sysexits.h, see `exit`.

mod cache;
mod canary;
mod client;
mod client_certificate;
mod demo;
mod deploy;
mod diff;
mod doctor;
mod exit;
mod explain;
mod export;
mod inputs;
mod keys;
mod man;
mod origins;
mod plans;
mod print;
mod run;
mod sim;
mod store;
mod template;
mod test_invoke;
mod upgrade;
mod usage;
mod validate;

pub use cache::{CacheCommand, CachePlace};
pub use client_certificate::Generate;
pub use demo::Demo;
pub use diff::Diff;
pub use exit::Exit;
pub use explain::Explain;
pub use export::{Export, From};
pub use inputs::Inputs;
pub use origins::{Origins, OriginsAction, Target};
pub use sim::Sim;
pub use store::StorePlace;
pub use template::TemplateRun;
pub use test_invoke::TestInvoke;
pub use upgrade::Upgrade;

use clap::{ArgMatches, Command};
use std::{ffi::OsString, process::ExitCode};

/// One command: its name, one line about it, its arguments, and what runs it.
pub struct Entry {
    /// As typed after `tidegate`.
    pub name: &'static str,
    /// One line for the list of commands.
    pub about: &'static str,
    /// Adds arguments and the long help.
    pub arguments: fn(Command) -> Command,
    /// Does it.
    pub execute: fn(&ArgMatches) -> ExitCode,
}

/// Every command there is, in the order of the help.
pub const COMMANDS: &[Entry] = &[
    Entry {
        name: "run",
        about: "Serve APIs until told to stop",
        arguments: run::arguments,
        execute: run::execute,
    },
    Entry {
        name: "demo",
        about: "Serve a ready API in front of two embedded origins, to try things on",
        arguments: demo::arguments,
        execute: demo::execute,
    },
    Entry {
        name: "validate",
        about: "Check the configuration and the API documents, and name every fault",
        arguments: inputs::arguments,
        execute: validate::execute,
    },
    Entry {
        name: "explain",
        about: "Show which route, limits and origin a request would meet",
        arguments: explain::arguments,
        execute: explain::execute,
    },
    Entry {
        name: "test-invoke",
        about: "Send one request through a gateway of its own, and show every step of it",
        arguments: test_invoke::arguments,
        execute: test_invoke::execute,
    },
    Entry {
        name: "export",
        about: "Write an API as OpenAPI 3.0.1 or Swagger 2",
        arguments: export::arguments,
        execute: export::execute,
    },
    Entry {
        name: "diff",
        about: "Show what differs between two API documents",
        arguments: diff::arguments,
        execute: diff::execute,
    },
    Entry {
        name: "doctor",
        about: "Examine this host and name the cure for whatever is amiss",
        arguments: doctor::arguments,
        execute: doctor::execute,
    },
    Entry {
        name: "origins",
        about: "List or drain the origins of the running gateway",
        arguments: origins::arguments,
        execute: origins::execute,
    },
    Entry {
        name: "cache",
        about: "Look at the response cache, flush, purge or prove it",
        arguments: cache::arguments,
        execute: cache::execute,
    },
    Entry {
        name: "deploy",
        about: "Deploy an API document to a stage, once it has been tried",
        arguments: deploy::arguments,
        execute: deploy::execute,
    },
    Entry {
        name: "deployments",
        about: "List what was deployed, print or delete one",
        arguments: deploy::list_arguments,
        execute: deploy::execute_list,
    },
    Entry {
        name: "rollback",
        about: "Let a stage serve an earlier deployment again",
        arguments: deploy::rollback_arguments,
        execute: deploy::execute_rollback,
    },
    Entry {
        name: "canary",
        about: "Let a share of a stage's requests be served by another deployment",
        arguments: canary::arguments,
        execute: canary::execute,
    },
    Entry {
        name: "client-certificate",
        about: "Make what stages show to backends that ask for a certificate",
        arguments: client_certificate::arguments,
        execute: client_certificate::execute,
    },
    Entry {
        name: "keys",
        about: "Make, import, list, change and rotate API keys",
        arguments: keys::arguments,
        execute: keys::execute,
    },
    Entry {
        name: "plans",
        about: "Make and change usage plans, and put keys into them",
        arguments: plans::arguments,
        execute: plans::execute,
    },
    Entry {
        name: "usage",
        about: "Show and export what keys used, and extend their quotas",
        arguments: usage::arguments,
        execute: usage::execute,
    },
    Entry {
        name: "template",
        about: "Try a mapping template by hand",
        arguments: template::arguments,
        execute: template::execute,
    },
    Entry {
        name: "sim",
        about: "Simulate what a choice of deployment does to one's users",
        arguments: sim::arguments,
        execute: sim::execute,
    },
    Entry {
        name: "upgrade",
        about: "Hand the listeners of the running gateway to a new binary",
        arguments: upgrade::arguments,
        execute: upgrade::execute,
    },
    Entry {
        name: "man",
        about: "Print a manual page, or write all of them",
        arguments: man::arguments,
        execute: man::execute,
    },
];

/// Runs the command that `arguments` name; the first is the program's own name.
pub fn main<I>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(answer) => {
            // Help and version arrive here as well, as errors that go to standard output.
            let _ = answer.print();
            return if answer.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Ok.into()
            };
        }
    };
    let Some((name, given)) = matches.subcommand() else {
        return Exit::Usage.into();
    };
    match COMMANDS.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.execute)(given),
        None => Exit::Usage.into(),
    }
}

/// The parser of the whole command line.
#[must_use]
pub fn command() -> Command {
    let root = Command::new("tidegate")
        .version(clap::crate_version!())
        .about("An API gateway and edge proxy on its own thread-per-core io_uring loop")
        .after_help(exit::HELP)
        .subcommand_required(true)
        .arg_required_else_help(true);
    COMMANDS.iter().fold(root, |root, entry| {
        let bare = Command::new(entry.name).about(entry.about);
        root.subcommand((entry.arguments)(bare))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one way the rows below reach the parser: the name of the command, or the usage error.
    fn parse(line: &str) -> Result<(String, ArgMatches), String> {
        let words = std::iter::once("tidegate").chain(line.split_whitespace());
        command()
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())
            .map(|matches| {
                let (name, given) = matches.subcommand().expect("a command is required");
                (name.to_owned(), given.clone())
            })
    }

    fn read(line: &str) -> String {
        let (name, given) = match parse(line) {
            Ok(parsed) => parsed,
            Err(error) => return error,
        };
        match name.as_str() {
            "run" | "validate" => format!("{:?}", Inputs::read(&given)),
            "explain" => format!("{:?}", Explain::read(&given)),
            "export" => format!("{:?}", Export::read(&given)),
            "diff" => format!("{:?}", Diff::read(&given)),
            "origins" => format!("{:?}", Origins::read(&given)),
            "cache" => format!("{:?}", CacheCommand::read(&given)),
            "deploy" => format!("{:?}", deploy::read(&given)),
            "deployments" => format!("{:?}", deploy::read_list(&given)),
            "rollback" => format!("{:?}", deploy::read_rollback(&given)),
            "canary" => format!("{:?}", canary::read(&given)),
            "client-certificate" => format!("{:?}", Generate::read(&given)),
            "keys" => format!("{:?}", keys::read(&given)),
            "plans" => format!("{:?}", plans::read(&given)),
            "usage" => format!("{:?}", usage::read(&given)),
            "template" => format!("{:?}", TemplateRun::read(&given)),
            "sim" => format!("{:?}", Sim::read(&given)),
            "test-invoke" => format!("{:?}", TestInvoke::read(&given)),
            "upgrade" => format!("{:?}", Upgrade::read(&given)),
            "demo" => format!("{:?}", Demo::read(&given)),
            other => other.to_owned(),
        }
    }

    #[test]
    fn the_table_makes_a_parser_clap_accepts() {
        command().debug_assert();
    }

    #[test]
    fn lines_become_typed_arguments() {
        // line, words its typed form (or its usage error) has
        let rows: &[(&str, &[&str])] = &[
            ("run", &["--config <FILE>", "--api <FILE>", "required"]),
            (
                "run --api a.yaml --api b.json",
                &["\"a.yaml\", \"b.json\"", "config: None"],
            ),
            (
                "run --config t.toml --listen [::1]:80",
                &["t.toml", "[::1]:80"],
            ),
            (
                "run --api a.yaml --listen 8080",
                &["invalid value", "127.0.0.1:8080"],
            ),
            ("run --api a.yaml --stage prod", &["stage: Some(\"prod\")"]),
            ("run --api a.yaml --stage a/b", &["invalid value"]),
            ("validate --api a.yaml", &["a.yaml"]),
            (
                "explain get /x --api a.yaml",
                &["method: \"get\"", "url: \"/x\""],
            ),
            ("explain GET http://h/x --config t", &["\"http://h/x\""]),
            (
                "explain GET /x --api a --header X-Y:1",
                &["headers: [(\"X-Y\", \"1\")]"],
            ),
            ("explain G(T /x --api a", &["invalid value", "token"]),
            (
                "client-certificate generate backend --out tls",
                &["name: \"backend\"", "folder: \"tls\"", "replace: false"],
            ),
            ("client-certificate generate a/b", &["invalid value"]),
            ("explain GET x --api a", &["invalid value", "/"]),
            (
                "test-invoke POST /dev/x --api a --header X-Y:1 --header Z: --stage-variable v=a=b \
                 --body {} --json",
                &[
                    "method: \"POST\"",
                    "url: \"/dev/x\"",
                    "(\"X-Y\", \"1\"), (\"Z\", \"\")",
                    "(\"v\", \"a=b\")",
                    "body: \"{}\"",
                    "json: true",
                ],
            ),
            (
                "test-invoke GET / --api a --header x",
                &["invalid value", "NAME:VALUE"],
            ),
            (
                "test-invoke GET / --api a --header Connection:x",
                &["invalid value", "the command's own"],
            ),
            (
                "test-invoke GET / --api a --stage-variable v-w=1",
                &["invalid value", "stage variable"],
            ),
            (
                "test-invoke GET / --api a --body @/none/here",
                &["invalid value", "/none/here"],
            ),
            (
                "export --api a.yaml",
                &[
                    "Document(\"a.yaml\")",
                    "Oas30",
                    "integrations: false",
                    "stage: None",
                ],
            ),
            (
                "export --running a1 --admin /s --format swagger --yaml --stage prod",
                &[
                    "Running(\"a1\", Some(\"/s\"))",
                    "Swagger",
                    "yaml: true",
                    "\"prod\"",
                ],
            ),
            (
                "export --api a --extensions integrations,validators --base-path split",
                &[
                    "integrations: true",
                    "authorizers: false",
                    "validators: true",
                    "Split",
                ],
            ),
            (
                "export --api a --extensions postman",
                &["invalid value", "apigateway"],
            ),
            ("export --api a --running b", &["cannot be used with"]),
            ("export --format oas30", &["required"]),
            (
                "diff a b --json",
                &["before: \"a\"", "after: \"b\"", "json: true"],
            ),
            ("diff a", &["<B>", "required"]),
            (
                "origins list --json",
                &["List", "json: true", "admin: None"],
            ),
            ("origins list --admin /tmp/s", &["\"/tmp/s\""]),
            (
                "origins drain pets",
                &["Drain", "origin: \"pets\"", "endpoint: None"],
            ),
            (
                "origins drain pets/eu",
                &["origin: \"pets\"", "endpoint: Some(\"eu\")"],
            ),
            ("origins drain pets/", &["invalid value"]),
            ("origins undrain pets", &["Undrain", "origin: \"pets\""]),
            ("origins", &["Usage"]),
            ("cache stat", &["Stat", "Running(None)", "json: false"]),
            ("cache stat --admin /s --json", &["\"/s\"", "json: true"]),
            (
                "cache verify --path /f --key-file /k",
                &["File(\"/f\", Some(\"/k\"))"],
            ),
            ("cache stat --key-file /k", &["--path"]),
            ("cache stat --path /f --config t", &["cannot be used with"]),
            (
                "cache flush --api a --stage b --config t",
                &["api: \"a\", stage: \"b\"", "Settings"],
            ),
            ("cache flush --api a", &["--stage"]),
            ("cache flush --stage b", &["--api"]),
            ("cache flush --all", &["All"]),
            ("cache flush", &["required"]),
            ("cache purge --tag t", &["Tag(\"t\")"]),
            ("cache purge --url http://h/", &["Url(\"http://h/\")"]),
            ("cache purge --prefix http://h/", &["Prefix(\"http://h/\")"]),
            ("cache purge --tag t --url u", &["cannot be used with"]),
            (
                "cache get /a -H A:b -H C:d",
                &["url: \"/a\"", "[\"A:b\", \"C:d\"]"],
            ),
            ("cache", &["Usage"]),
            (
                "keys create --name n --plan p --plan q --tag a=b",
                &[
                    "name: \"n\"",
                    "enabled: true",
                    "[\"p\", \"q\"]",
                    "{\"a\": \"b\"}",
                    "Running(None)",
                ],
            ),
            ("keys create --name n --disabled", &["enabled: false"]),
            (
                "deploy f.yaml --api a --stage s --description d --variable k=v --canary 10.5",
                &[
                    "file: \"f.yaml\"",
                    "name: \"f.yaml\"",
                    "Some(\"d\")",
                    "{\"k\": \"v\"}",
                    "Some(10.5)",
                ],
            ),
            ("deploy f.yaml --api a", &["--stage"]),
            ("deploy --api a --stage s", &["<FILE>"]),
            ("deployments --api a", &["Deployments"]),
            (
                "deployments --api a --delete d",
                &["DeleteDeployment", "id: \"d\""],
            ),
            ("deployments --api a --document d", &["Document {"]),
            (
                "rollback --api a --stage s",
                &["Rollback { deployment: None }"],
            ),
            ("rollback d --api a --stage s", &["Some(\"d\")"]),
            (
                "canary set --api a --stage s --percent 10.5 --use-stage-cache",
                &["percent: Some(10.5)", "use_stage_cache: Some(true)"],
            ),
            ("canary set --api a --stage s --own-cache", &["Some(false)"]),
            ("canary set --api a --stage s", &["required"]),
            ("canary promote --api a --stage s", &["PromoteCanary"]),
            ("canary remove --api a --stage s", &["RemoveCanary"]),
            ("canary", &["Usage"]),
            ("keys create", &["--name"]),
            ("keys create --name n --tag a", &["invalid value"]),
            ("keys create --name n --value v", &["unexpected argument"]),
            (
                "keys import f.csv --fail-on-warnings --store /s",
                &["ImportKeys", "fail_on_warnings: true", "Folder(\"/s\")"],
            ),
            (
                "keys import f --store /s --config c",
                &["cannot be used with"],
            ),
            (
                "keys list --name-prefix a --limit 3 --config c",
                &["Some(\"a\")", "Some(3)", "Settings(\"c\")"],
            ),
            (
                "keys show k --show-value --json",
                &["show_value: true", "true)"],
            ),
            ("keys update k", &["required"]),
            (
                "keys update k --description d",
                &["description: Some(\"d\")", "enabled: None"],
            ),
            (
                "keys disable k --admin /s",
                &["enabled: Some(false)", "Running(Some(\"/s\"))"],
            ),
            ("keys enable k", &["enabled: Some(true)"]),
            ("keys delete k", &["DeleteKey"]),
            ("keys rotate", &["RotateKey"]),
            ("keys", &["Usage"]),
            (
                "plans create --name n --rate 0.5 --burst 2 --stage a:b --quota-limit 5 --quota-period DAY",
                &[
                    "rate_limit: 0.5",
                    "burst_limit: 2",
                    "api: \"a\"",
                    "limit: Some(5)",
                    "Some(\"DAY\")",
                ],
            ),
            ("plans create --name n --stage a", &["invalid value"]),
            (
                "plans throttle p --rate 5",
                &["rate: Some(5.0)", "burst: None"],
            ),
            ("plans throttle p --remove", &["NoThrottle"]),
            ("plans throttle p", &["required"]),
            (
                "plans throttle p --remove --rate 5",
                &["cannot be used with"],
            ),
            (
                "plans throttle p --stage a:b --method /x/GET --burst 5",
                &["Method {", "\"/x/GET\"", "burst: Some(5)"],
            ),
            (
                "plans throttle p --stage a:b --method /x/GET --remove",
                &["NoMethod"],
            ),
            (
                "plans throttle p --stage a:b --all {}",
                &["Methods", "throttles: {}"],
            ),
            ("plans throttle p --stage a:b --all x", &["invalid value"]),
            ("plans throttle p --stage a:b --rate 1", &["None"]),
            ("plans throttle p --method /x/GET --rate 1", &["--stage"]),
            (
                "plans quota p --limit 5 --period WEEK --offset 1",
                &["Some(5)", "Some(\"WEEK\")", "Some(1)"],
            ),
            ("plans quota p --period YEAR", &["invalid value"]),
            ("plans quota p --remove", &["NoQuota"]),
            ("plans add-stage p a:b", &["AddStage"]),
            ("plans remove-stage p a:b", &["RemoveStage"]),
            ("plans attach p k", &["AttachKey"]),
            ("plans detach p k", &["DetachKey"]),
            (
                "plans update p --name n --tag a=",
                &["Name(\"n\")", "Tags({\"a\": \"\"})"],
            ),
            ("plans list --key k", &["Some(\"k\")"]),
            ("plans delete p", &["DeletePlan"]),
            (
                "usage report p --from 2025-04-01 --to 2025-04-02",
                &["\"2025-04-01\"", "\"2025-04-02\""],
            ),
            ("usage report p --from 2025-4-1", &["invalid value"]),
            ("usage export p --format xml", &["invalid value"]),
            ("usage extend p k --remaining 5", &["remaining: 5"]),
            ("usage extend p k", &["--remaining"]),
            (
                "template run t --input b --stage-variables v",
                &[
                    "file: \"t\"",
                    "input: Some(\"b\")",
                    "stage_variables: Some(\"v\")",
                ],
            ),
            ("template run", &["<FILE>", "required"]),
            ("template", &["Usage"]),
            (
                "sim s.toml",
                &["\"s.toml\"", "json: None", "seed: None", "is_quiet: false"],
            ),
            (
                "sim s.toml --json - --seed 7 --requests 9 -q",
                &[
                    "Some(\"-\")",
                    "seed: Some(7)",
                    "requests: Some(9)",
                    "is_quiet: true",
                ],
            ),
            ("sim --schema", &["None"]),
            ("sim s.toml --schema", &["cannot be used with"]),
            ("sim", &["SCENARIO"]),
            ("sim s.toml --seed x", &["invalid value"]),
            ("upgrade", &["Admin(None)"]),
            ("upgrade --admin /s", &["Admin(Some(\"/s\"))"]),
            ("upgrade --pid 17", &["Pid(17)"]),
            ("upgrade --pid 0", &["invalid value"]),
            ("upgrade --pid 17 --admin /s", &["cannot be used with"]),
            ("demo", &["port: None"]),
            ("demo --port 0", &["port: Some(0)"]),
            ("demo --port 99999", &["invalid value"]),
            ("doctor --json --listen 0.0.0.0:443", &["doctor"]),
            ("man", &["man"]),
            ("fly", &["unrecognized subcommand"]),
            ("--version", &[clap::crate_version!()]),
        ];
        for (line, words) in rows {
            let said = read(line);
            for word in *words {
                assert!(said.contains(word), "`{line}`: no {word:?} in\n{said}");
            }
        }
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        for entry in COMMANDS {
            let help = parse(&format!("{} --help", entry.name)).expect_err("help is an answer");
            assert!(help.contains(entry.about), "{}: about", entry.name);
            assert!(
                help.contains("Examples:"),
                "{}: examples\n{help}",
                entry.name
            );
        }
    }
}
