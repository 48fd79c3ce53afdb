//! The shape of the house, as a test: a module of `edge` imports only lower levels, and no tokio,
//! ring crate or OpenSSL enters the data plane.

use std::{fs, path::Path};

/// Every module of `edge` with its level. Equals do not know each other.
const LEVELS: &[(&str, u8)] = &[
    ("base", 0),
    ("ring", 1),
    ("wire", 1),
    ("model", 1),
    ("exec", 2),
    ("route", 2),
    ("policy", 2),
    ("sign", 2),
    ("validate", 2),
    ("mapping", 2),
    ("limits", 3),
    ("cache", 3),
    ("net", 3),
    ("telemetry", 4),
    ("origin", 5),
    ("authz", 6),
    ("integrate", 6),
    ("plan", 7),
    ("pipeline", 8),
    ("server", 10),
    ("sim", 11),
    ("geo", 12),
];

/// Where the operating system, the clock and randomness may be reached: the ring below all.
const OS_MODULES: &[&str] = &["ring"];

/// Where `unsafe` may stand.
const UNSAFE_PLACES: &[&str] = &["base/shm", "ring/", "exec/", "cache/region.rs"];

fn level_of(module: &str) -> Option<u8> {
    LEVELS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, level)| *level)
}

fn sources(root: &Path) -> Vec<(String, String)> {
    fn walk(dir: &Path, root: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).expect("readable source folder") {
            let path = entry.expect("directory entry").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path
                    .strip_prefix(root)
                    .expect("below the root")
                    .display()
                    .to_string();
                found.push((name, fs::read_to_string(&path).expect("utf-8 source")));
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// The modules that one line of `file` names behind `crate::`, group imports included.
fn crate_modules(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect();
    let joined = code.join("\n");
    let mut from = 0;
    while let Some(at) = joined[from..].find("crate::") {
        let start = from + at + "crate::".len();
        let line = joined[..start].matches('\n').count() + 1;
        let rest = &joined[start..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => {
                        found.push((line, std::mem::take(&mut word)));
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    found.push((line, std::mem::take(&mut word)));
                    break;
                }
                if depth == 1 && !c.is_whitespace() {
                    word.push(c);
                }
            }
        } else {
            found.push((
                line,
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            ));
        }
        from = start;
    }
    found
        .into_iter()
        .map(|(line, path)| (line, path.split("::").next().unwrap_or("").to_owned()))
        .filter(|(_, module)| !module.is_empty())
        .collect()
}

fn upward_imports(file: &str, text: &str) -> Vec<String> {
    let own = file.split('/').next().unwrap_or("");
    let Some(own_level) = level_of(own) else {
        return Vec::new();
    };
    crate_modules(text)
        .into_iter()
        .filter_map(|(line, module)| {
            let level = level_of(&module)?;
            (module != own && level >= own_level)
                .then(|| format!("{file}:{line}: {own} ({own_level}) imports {module} ({level})"))
        })
        .collect()
}

#[test]
fn modules_import_only_lower_levels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let faults: Vec<String> = sources(&root)
        .iter()
        .flat_map(|(file, text)| upward_imports(file, text))
        .collect();
    assert!(faults.is_empty(), "upward imports:\n{}", faults.join("\n"));
}

#[test]
fn every_module_has_a_level() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, _) in sources(&root) {
        let Some((module, _)) = file.split_once('/') else {
            continue;
        };
        assert!(
            level_of(module).is_some(),
            "{file}: module {module} has no level in tidy.rs"
        );
    }
}

#[test]
fn an_upward_import_is_found() {
    let planted = "use crate::{base::time::Mono, pipeline::request};\n";
    assert_eq!(upward_imports("wire/head.rs", planted).len(), 1);
    assert_eq!(
        upward_imports("wire/head.rs", "use crate::ring::Ring;").len(),
        1,
        "equals"
    );
    assert!(upward_imports("server/worker.rs", planted).is_empty());
    assert!(upward_imports("wire/head.rs", "// crate::server\nuse crate::wire::body;").is_empty());
}

/// Words that reach the operating system, a clock or randomness behind the ring's back.
const OS_WORDS: &[&str] = &[
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::os::unix::net::Unix",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "std::fs",
    "std::process::Command",
    "libc::",
    "hash_map::RandomState",
    "RandomState::new",
    "getrandom",
    "thread_local!",
    "static mut",
];

/// Files that may, each with its reason.
const OS_EXCEPTIONS: &[(&str, &str)] = &[
    ("base/shm.rs", "maps memory for pools and shared tables"),
    (
        "base/shm/file.rs",
        "makes and locks the files that are mapped",
    ),
    ("base/shm/sigbus.rs", "names a mapped file that was cut"),
    (
        "cache/key_file.rs",
        "the key file is read on the control thread",
    ),
    (
        "telemetry/writer.rs",
        "the log writer's own thread, off the cores",
    ),
    (
        "net/tls/load.rs",
        "certificate files are read on the control thread",
    ),
];

#[test]
fn only_the_ring_reaches_the_system() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for (file, text) in sources(&root) {
        let module = file.split('/').next().unwrap_or("");
        if OS_MODULES.contains(&module) || OS_EXCEPTIONS.iter().any(|(name, _)| *name == file) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for (number, line) in code.lines().enumerate() {
            let line = line.split_once("//").map_or(line, |(code, _)| code);
            if let Some(word) = OS_WORDS.iter().find(|word| line.contains(**word)) {
                faults.push(format!("{file}:{}: {word}", number + 1));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "reaches the system past the ring:\n{}",
        faults.join("\n")
    );
}

#[test]
fn unsafe_lives_where_the_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, text) in sources(&root) {
        if UNSAFE_PLACES.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split_once("//").map_or(line, |(code, _)| code);
            assert!(
                !code.contains("unsafe "),
                "{file}:{}: unsafe here",
                number + 1
            );
        }
    }
}

#[test]
fn the_data_plane_has_no_runtime_and_one_tls_stack() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "tidegate-edge",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8_lossy(&output.stdout);
    for banned in ["tokio ", "ring ", "openssl ", "openssl-sys ", "boring "] {
        assert!(
            !tree.lines().any(|line| line.starts_with(banned)),
            "{banned}is in the data plane's graph"
        );
    }
    assert!(tree.contains("aws-lc-rs "), "the tree was read");
}
