//! The file under the store: who makes it, and what when there is no room or it is cut in use.
#![allow(clippy::disallowed_methods)] // a process is cut on the clock of the host

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    thread,
};

use tidegate_edge::{
    base::shm::{file::FileFault, sigbus},
    cache::{InsertFault, Owner, Store, StoreFault, StoreOptions},
};

use crate::shelf::{START_S, Shelf, get, object, put, read};

const MIB: u64 = 1 << 20;
const CHILD_VARIABLE: &str = "TIDEGATE_FILES_CHILD";

/// This program again, for one test, told where the region is.
fn this_program(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD_VARIABLE, path);
    command
}

fn options_of_child() -> Option<StoreOptions> {
    let path = std::env::var_os(CHILD_VARIABLE)?;
    let mut options = StoreOptions::new(Path::new(&path), 4 * MIB, 5);
    options.object_bytes_max = 8 << 10;
    Some(options)
}

#[test]
fn a_file_cut_in_use_is_named() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    let mut child = this_program("files::child_reads_until_it_is_cut", &shelf.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut lines = lines.map(|line| line.expect("text"));
    assert!(
        lines.any(|line| line.ends_with("reading")),
        "it came to read"
    );
    let file = fs::OpenOptions::new()
        .write(true)
        .open(shelf.path())
        .expect("opened");
    file.set_len(64 << 10).expect("cut");
    let end = child.wait_with_output().expect("ended");
    let words = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.signal(), Some(libc::SIGABRT), "{words}");
    let name = shelf.path().display().to_string();
    assert!(
        words.contains("was cut or lost its storage") && words.contains(&name),
        "{words}"
    );
}

#[test]
fn child_reads_until_it_is_cut() {
    let Some(options) = options_of_child() else {
        return;
    };
    sigbus::install().expect("installed");
    let owner = Store::open(&options)
        .expect("a store")
        .owner()
        .expect("an owner");
    for number in 0..500 {
        put(&owner, number, &object(number, 1, 3000), START_S, 100).expect("stored");
    }
    println!("reading");
    loop {
        for number in 0..500 {
            let _ = get(&owner, number, START_S).map(|hit| read(&hit));
        }
    }
}

#[test]
fn a_bus_error_elsewhere_is_not_ours() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    let child = this_program("files::child_raises_a_bus_error", &shelf.path())
        .output()
        .expect("a child");
    let words = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(libc::SIGBUS), "{words}");
    assert!(!words.contains("mapped file"), "{words}");
}

#[test]
fn child_raises_a_bus_error() {
    let Some(options) = options_of_child() else {
        return;
    };
    sigbus::install().expect("installed");
    let _store = Store::open(&options).expect("a store");
    for _ in 0..3 {
        // SAFETY: the first gives the signal back to the runtime, which gives it back to the
        // system, which ends us.
        unsafe { libc::raise(libc::SIGBUS) };
    }
}

#[test]
fn a_full_file_system_is_named_and_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let path = folder.path().join("region");
    let program = std::env::current_exe().expect("this program");
    // A file system of 2 MiB, seen by this child alone.
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs '{place}' && exec '{}' --exact files::child_finds_no_room \
         --nocapture",
        program.display()
    );
    let child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env(CHILD_VARIABLE, &path)
        .output();
    match child {
        Ok(end) if end.status.success() => {
            let words = String::from_utf8_lossy(&end.stdout);
            assert!(
                words.contains("no room, and nothing left behind"),
                "{words}"
            );
        }
        Ok(end) => {
            let words = String::from_utf8_lossy(&end.stderr);
            let is_refused = words.contains("unshare:") || words.contains("mount:");
            assert!(
                is_refused,
                "{words}{}",
                String::from_utf8_lossy(&end.stdout)
            );
            println!("not run, no namespaces here: {words}");
        }
        Err(error) => println!("not run, no unshare here: {error}"),
    }
    too_large_for_this_process();
}

/// The same answer from a limit that every process can set itself.
fn too_large_for_this_process() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    let script = format!(
        "trap '' XFSZ; ulimit -f 1024; exec '{}' --exact files::child_finds_no_room --nocapture",
        std::env::current_exe().expect("this program").display()
    );
    let end = Command::new("sh")
        .args(["-c", &script])
        .env(CHILD_VARIABLE, shelf.path())
        .output()
        .expect("a shell");
    let words = String::from_utf8_lossy(&end.stdout);
    assert!(
        words.contains("no room, and nothing left behind"),
        "{words}"
    );
}

#[test]
fn child_finds_no_room() {
    let Some(options) = options_of_child() else {
        return;
    };
    let fault = Store::open(&options).expect_err("there is no room");
    let StoreFault::NoRoom { bytes_len, .. } = &fault else {
        panic!("another fault: {fault}");
    };
    assert_eq!(*bytes_len, 4 * MIB);
    let folder = options.path.parent().expect("a folder");
    assert_eq!(fs::read_dir(folder).expect("listed").count(), 0);
    println!("no room, and nothing left behind");
}

/// Stores an object although more threads than cores open the first segments: whoever holds the
/// lock may have no core now, and nobody waits for it.
fn put_patiently(owner: &Owner, number: u64) {
    let object = object(number, 1, 3000);
    let stored = (0..10_000).find_map(|_| {
        let end = put(owner, number, &object, START_S, 100);
        let is_busy = matches!(end, Err(InsertFault::Busy));
        if is_busy {
            thread::yield_now();
        }
        (!is_busy).then_some(end)
    });
    stored.expect("a core for the holder").expect("stored");
}

#[test]
fn many_processes_make_one_region() {
    for _ in 0..20 {
        let shelf = Arc::new(Shelf::new(4 * MIB, 8 << 10));
        let start = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (shelf, start) = (Arc::clone(&shelf), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    let store = shelf.open(); // a handle of its own, as a process has
                    let owner = store.owner().expect("an owner");
                    put_patiently(&owner, number);
                    start.wait();
                    let all = (0..8).all(|number| get(&owner, number, START_S).is_some());
                    start.wait();
                    (store.was_made(), all)
                })
            })
            .collect();
        let ends: Vec<_> = threads
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .collect();
        assert_eq!(
            ends.iter().filter(|(was_made, _)| *was_made).count(),
            1,
            "one maker"
        );
        assert!(ends.iter().all(|(_, all)| *all), "one region: {ends:?}");
        let names = fs::read_dir(shelf.folder()).expect("listed").count();
        assert_eq!(names, 1, "nothing beside it");
    }
}

#[test]
fn what_a_dead_maker_left_is_used() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    let second = shelf.folder().join("region.new");
    fs::write(&second, vec![7; 10_000]).expect("left behind");
    assert!(shelf.open().was_made());
    assert!(!second.exists());
}

#[test]
fn strangers_files_are_left_alone() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    drop(shelf.open());
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(shelf.path(), rights).expect("set");
    let fault = Store::open(&shelf.options).expect_err("others may write");
    let is_named = matches!(
        &fault,
        StoreFault::File {
            fault: FileFault::NotOurs,
            ..
        }
    );
    assert!(is_named, "{fault}");
}

#[test]
fn a_sparse_copy_is_filled_before_it_is_used() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    drop(shelf.open());
    let image = fs::read(shelf.path()).expect("read");
    let copy = fs::File::create(shelf.path()).expect("cut and opened");
    copy.set_len(4 * MIB).expect("a hole");
    std::os::unix::fs::FileExt::write_all_at(&copy, &image[..4096], 0).expect("its first page");
    let blocks = || std::os::unix::fs::MetadataExt::blocks(&copy.metadata().expect("about")) * 512;
    assert!(blocks() < MIB);
    assert!(!shelf.open().was_made());
    assert!(blocks() >= 4 * MIB);
}
