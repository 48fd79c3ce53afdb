//! Configuration from outside: documents and settings in, models or placed problems out.
//!
//! Shape: tables of texts with the expected line, column and words of the message or hint.
//! Units: lines and columns from 1.
//! Errors: a row that differs prints the whole report.
//! Source: `configs/` holds the good samples, `tests/corpus/configuration` the fuzz corpus.

use std::path::{Path, PathBuf};

use crate::problems::{E, Expected, assert_problems};

use tidegate::{
    diagnostics::Report,
    settings::{self, Configuration},
    source::Source,
};
use tidegate_edge::model::settings::{Health, Limits, Roots, Settings, Workers};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn settings_report(text: &str) -> (Settings, Report) {
    let loaded = settings::parse(
        Source::new("tidegate.toml", text),
        Path::new("/etc/tidegate"),
    );
    (loaded.settings, loaded.report)
}

#[test]
fn faulty_settings_are_placed_all_at_once() {
    let rows: &[(&str, &str, Expected<'static>)] = &[
        (
            "unknown keys at every level",
            "[limit]\nhead_ms = 1\n[limits]\nhead_bytes = 5\n[origins.a]\nbalanse = \"random\"\n\
             [origins.a.health]\npth = \"/\"\n",
            &[
                (1, 2, E, "did you mean `limits`?"),
                (4, 1, E, "`head_bytes` is not a known key here"),
                (6, 1, E, "did you mean `balance`?"),
                (8, 1, E, "did you mean `path`?"),
            ],
        ),
        (
            "wrong types",
            "[server]\nworkers = 0\ndrain_delay_ms = \"5s\"\n[limits]\nhead_ms = -1\nidle_ms = \
             1.5\n[tls]\nmin_version = \"1.1\"\n",
            &[
                (2, 11, E, "from 1 to 1024"),
                (3, 18, E, "a whole number"),
                (5, 11, E, "out of range"),
                (6, 11, E, "a whole number"),
                (8, 15, E, "did you mean `1.2`?"),
            ],
        ),
        (
            "missing and faulty fields",
            "[[apis]]\nid = \"a\"\n[[apis]]\ndocument = 5\n[[tls.certificates]]\nkey = \"k\"\n\
             [[origins.a.endpoints]]\nregion = \"x\"\n",
            &[
                (1, 1, E, "`document` is missing"),
                (4, 12, E, "a text in quotes"),
                (5, 1, E, "`certificate` is missing"),
                (7, 1, E, "`url` is missing"),
            ],
        ),
        (
            "word of an enumeration",
            "[origins.a]\nbalance = \"least_outstandin\"\nmatch = 3\n",
            &[
                (2, 11, E, "did you mean `least_outstanding`?"),
                (3, 9, E, "a text or a list of texts"),
            ],
        ),
        (
            "tables and lists mixed up",
            "limits = 5\nlisten = \"127.0.0.1:1\"\norigins = []\n",
            &[
                (1, 10, E, "a table"),
                (2, 10, E, "a list"),
                (3, 1, E, "a map"),
            ],
        ),
        (
            "syntax",
            "[server]\nworkers =\ncpus = [\n",
            &[(2, 10, E, "not valid TOML"), (3, 9, E, "not valid TOML")],
        ),
        (
            "twice",
            "[limits]\nhead_ms = 1\nhead_ms = 2\n",
            &[(3, 1, E, "duplicate key")],
        ),
    ];
    for (name, text, expected) in rows {
        let (_, report) = settings_report(text);
        assert_problems(name, &report, expected);
    }
}

#[test]
fn small_settings_and_a_lone_document_agree() {
    let small = Configuration::load(&root().join("configs/small.toml"));
    assert!(small.report.is_empty(), "{}", small.report);
    let document = root().join("configs/openapi/petstore.yaml");
    let lone = Configuration::for_api(&document);
    assert!(lone.report.is_empty(), "{}", lone.report);
    assert_eq!(small.models(), lone.models());
    assert_eq!(small.settings.listen, lone.settings.listen);
    assert_eq!(lone.settings.listen[0].address, "127.0.0.1:8080");
    assert_eq!(lone.settings.apis[0].stage_names(), ["dev"]);
    assert_eq!(small.settings.apis[0].stage_names(), ["dev"]);
    assert_eq!(small.settings.apis[0].document, Some(document));
}

#[test]
fn full_settings_name_every_key_and_every_default() {
    let path = root().join("configs/full.toml");
    let text = std::fs::read_to_string(&path).expect("full.toml");
    let (full, report) = settings_report(&text);
    assert!(report.is_empty(), "{report}");
    let loaded = settings::load(&path);
    assert!(loaded.report.is_empty(), "{}", loaded.report);

    // Lines that claim a default must hold it: what remains without them is the same.
    let is_claim = |line: &&str| {
        line.contains("# default;") || line.contains("# default:") || line.ends_with("# default")
    };
    let claims = text.lines().filter(is_claim).count();
    assert!(claims > 50, "{claims} claims");
    let without: Vec<&str> = text.lines().filter(|line| !is_claim(line)).collect();
    let (rest, report) = settings_report(&without.join("\n"));
    assert!(report.is_empty(), "{report}");
    assert_eq!(full, rest);
    assert_eq!(full.limits, Limits::default());
    assert_eq!(full.origins["pets"].health, Some(Health::default()));
    assert_eq!(full.server.workers, Workers::Auto);
    assert_eq!(full.origins["pets"].tls.roots, Roots::System);

    // Every field of the model stands in the file: its debug text names them all.
    let shown = format!("{full:?}");
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    for (at, _) in shown.match_indices(": ") {
        let before = &shown[..at];
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let name = match &before[start..] {
            "matches" => "match",
            "stage" => continue,     // `stages` stands there instead
            "tells_all" => continue, // not of the file
            name => name,
        };
        assert!(
            name.is_empty() || text.contains(name),
            "{name} is not in full.toml"
        );
    }
}

#[test]
fn relative_paths_begin_at_the_settings_file() {
    let (settings, report) = settings_report(
        "[[apis]]\ndocument = \"a.yaml\"\n[[apis]]\ndocument = \"/b.yaml\"\n[access_log]\npath = \
         \"log\"\n[origins.a.tls]\nroots = \"ca.pem\"\n[cache]\npath = \"c\"\nkey_file = \"k\"\n",
    );
    assert!(report.is_empty(), "{report}");
    let path = |index: usize| settings.apis[index].document.as_deref();
    assert_eq!(path(0), Some(Path::new("/etc/tidegate/a.yaml")));
    assert_eq!(path(1), Some(Path::new("/b.yaml")));
    assert_eq!(settings.access_log.path, "/etc/tidegate/log");
    let roots = Roots::File(PathBuf::from("/etc/tidegate/ca.pem"));
    assert_eq!(settings.origins["a"].tls.roots, roots);
    let cache = settings.cache.expect("a cache");
    assert_eq!(cache.path.as_deref(), Some(Path::new("/etc/tidegate/c")));
    assert_eq!(
        cache.key_file.as_deref(),
        Some(Path::new("/etc/tidegate/k"))
    );
    let (settings, _) = settings_report("[cache]\nkey_file = \"boot\"\n");
    let cache = settings.cache.expect("a cache");
    assert_eq!(cache.key_file.as_deref(), Some(Path::new("boot")));
    let (settings, _) = settings_report("[access_log]\npath = \"-\"\n");
    assert_eq!(settings.access_log.path, "-");
}

#[test]
fn faulty_caches_are_placed() {
    const API: &str = "[[apis]]\ndocument = \"openapi/petstore.yaml\"\nid = \"a\"\n";
    // What follows the API, whose id stands in line 3; where the problem is.
    let rows: &[(&str, Expected<'static>)] = &[
        ("[cache]\n", &[]),
        ("edge_cache = \"optimized\"\n[cache]\n", &[]),
        ("[cache]\ncapacity = \"6.1\"\n", &[]),
        (
            "[cache]\ncapacity = \"63 MiB\"\n",
            &[(5, 12, E, "stage size: 0.5, 1.6")],
        ),
        (
            "[cache]\ncapacity = \"1 GB\"\n",
            &[(5, 12, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "[cache]\nobject_bytes_max = 1\n",
            &[(5, 20, E, "outside 4096 to 67108864")],
        ),
        (
            "[cache]\ncapasity = \"0.5\"\n",
            &[(5, 1, E, "did you mean `capacity`?")],
        ),
        (
            "edge_cache = \"standart\"\n[cache]\n",
            &[(4, 14, E, "there are optimized, standard")],
        ),
        (
            "edge_cache = \"standard\"\n",
            &[(4, 14, E, "add a `[cache]` table")],
        ),
        (
            "edge_cache = \"standard\"\nstage_cache = {}\n[cache]\n",
            &[(4, 14, E, "keep one of the two")],
        ),
        (
            "stage_cache = { ttl_s = 3601 }\n[cache]\n",
            &[(4, 25, E, "write 0, which keeps nothing, to 3600")],
        ),
        (
            "stage_cache = { stages = [\"prod\"] }\n[cache]\n",
            &[(4, 17, E, "there are dev")],
        ),
        (
            "stage_cache = { unauthorized = \"fail\" }\n[cache]\n",
            &[(4, 32, E, "fail_with_403")],
        ),
        (
            "[[apis.stage_cache.methods]]\npath = \"/pets\"\nmethod = \"PUT\"\n[cache]\n",
            &[(5, 8, E, "as the document has them")],
        ),
        (
            "[cache.policies.p]\nttl_min_s = 9\nttl_max_s = 8\n",
            &[(5, 13, E, "write at most 8")],
        ),
        (
            "[cache.policies.p]\nnegative_ttl_s = { \"200\" = 1 }\n",
            &[(5, 28, E, "write 400 to 599")],
        ),
        (
            "[cache.policies.p]\nquery = { only = [\"a\"] }\ncookies = { except = [\"b\"] }\n",
            &[],
        ),
        (
            "[cache.policies.p]\nquery = { onyl = [\"a\"] }\n",
            &[(5, 1, E, "did you mean `only`?")],
        ),
        (
            "[cache.policies.p]\nheaders = [\"a b\"]\n",
            &[(5, 1, E, "as requests have it")],
        ),
        (
            "[cache.policies.p]\ncookies = { only = [\"\"] }\n",
            &[(5, 1, E, "as requests have it")],
        ),
        ("stage_cache = { capacity = \"0.5\" }\n[cache]\n", &[]),
        ("stage_cache = { capacity = \"64 MiB\" }\n[cache]\n", &[]),
        (
            "stage_cache = { capacity = { dev = \"237\" } }\n[cache]\n",
            &[],
        ),
        (
            "stage_cache = { capacity = \"0.5\" }\n",
            &[(4, 1, E, "add a `[cache]` table")],
        ),
        (
            "stage_cache = { capacity = \"63 MiB\" }\n[cache]\n",
            &[(4, 28, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "stage_cache = { capacity = \"238 GiB\" }\n[cache]\n",
            &[(4, 28, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "stage_cache = { capacity = \"0.4\" }\n[cache]\n",
            &[(4, 28, E, "stage size: 0.5, 1.6")],
        ),
        (
            "stage_cache = { capacity = { dev = \"1 GB\" } }\n[cache]\n",
            &[(4, 36, E, "stage size: 0.5, 1.6")],
        ),
        (
            "stage_cache = { capacity = { prod = \"0.5\" } }\n[cache]\n",
            &[(4, 37, E, "it is for dev")],
        ),
        (
            "stages = [\"a\", \"b\"]\nstage_cache = { stages = [\"b\"], capacity = { a = \"0.5\" } }\n\
             [cache]\n",
            &[(5, 50, E, "it is for b")],
        ),
        (
            "stage_cache = { capacity = 1 }\n[cache]\n",
            &[(4, 28, E, "a text, or a table of texts by stage")],
        ),
    ];
    for (more, expected) in rows {
        let folder = tempfile::tempdir().expect("folder");
        let config = folder.path().join("t.toml");
        let api = API.replace(
            "openapi",
            &root().join("configs/openapi").display().to_string(),
        );
        std::fs::write(&config, format!("{api}{more}")).expect("settings");
        let sources = tidegate::process::Sources {
            config: Some(config),
            ..Default::default()
        };
        let loaded = tidegate::process::load::load(&sources, 1);
        assert_problems(more, &loaded.configuration.report, expected);
        assert_eq!(loaded.plan.is_some(), expected.is_empty(), "{more}");
    }
}

#[test]
fn a_missing_document_is_placed_in_the_settings() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("t.toml");
    std::fs::write(&path, "[[apis]]\ndocument = \"nowhere.yaml\"\n").expect("written");
    let mut configuration = Configuration::load(&path);
    let expected: &[_] = &[(2, 12, E, "nowhere.yaml")];
    assert_problems("missing", &configuration.report, expected);
    configuration.add_problem(None, E, "/listen/0/address", "bad", Some("fix".to_owned()));
    assert_eq!(configuration.report.error_count(), 2);
    let nothing = Configuration::load(&folder.path().join("none.toml"));
    assert!(nothing.report.to_string().contains("cannot be read"));
}

#[test]
fn the_corpus_is_replayed() {
    let folder = root().join("tests/corpus/configuration");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("corpus") {
        let bytes = std::fs::read(entry.expect("entry").path()).expect("file");
        settings::fuzz_configuration(&bytes);
        count += 1;
    }
    assert!(count >= 12, "{count} files");
    // What is too large to keep as a file.
    let deep = |first: &str, part: &str, times: usize| format!("{first}{}", part.repeat(times));
    for text in [
        deep("0", "[", 50_000),
        deep("0", "- ", 20_000),
        deep("0", "? ", 20_000),
        deep("0", "{a: ", 20_000),
        deep("0", "a:\n ", 2_000),
        deep("1", "[", 200_000),
        deep("1", "{\"a\":", 100_000),
        deep("2", "a.", 50_000),
        deep("2a=", "[", 50_000),
        deep("2a=", "{a=", 50_000),
        deep("2[", "a.", 50_000),
    ] {
        settings::fuzz_configuration(text.as_bytes());
    }
}

/// Cuts and single-byte changes of good documents: the cheap half of fuzzing, on every run.
#[test]
fn damaged_samples_never_panic() {
    for (format, name) in [
        (b'0', "openapi/petstore.yaml"),
        (b'1', "openapi/petstore.json"),
        (b'2', "full.toml"),
    ] {
        let mut bytes = vec![format];
        bytes.extend(std::fs::read(root().join("configs").join(name)).expect("sample"));
        for at in (1..bytes.len()).step_by(37) {
            settings::fuzz_configuration(&bytes[..at]);
            for damage in [b'{', b'"', b'\n', b':', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = damage;
                settings::fuzz_configuration(&changed);
            }
        }
    }
}
