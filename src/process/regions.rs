//! The files of the response cache's regions: where they are, whether they fit, which are left.
//!
//! What it is: the common region lies where the settings say, or in the runtime directory under
//! this gateway's name; those of single stages lie beside it. Shape: functions on a plan. Units:
//! bytes. Errors: [`check_room`] adds to the report what a start would fail for; a file that cannot
//! be taken away is said on standard error. Source: docs/caching.md, "Regions".

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    thread,
};

use tidegate_edge::{
    base::shm::file::room_bytes,
    cache::Store,
    exec::Core,
    plan::{Plan, RegionPlan},
    server::{Blueprint, left_files},
};

use super::{Sources, admin};
use crate::{cache::sized, diagnostics::Severity, settings::Configuration};

/// Places the regions of `plan` that the settings leave to the host, which `find` knows.
pub(super) fn place(
    plan: &mut Plan,
    sources: &Sources,
    find: impl FnOnce(&str) -> Option<PathBuf>,
) {
    if let Some(cache) = &mut plan.cache
        && cache.common_path().is_none()
        && let Some(path) = find(&default_name(sources))
    {
        cache.place(&path);
    }
}

fn default_name(sources: &Sources) -> String {
    format!("responses-{}.cache", sources.instance())
}

/// Says whether the regions of `plan` find room, before any of them is made. Makes nothing itself:
/// where the runtime directory does not exist yet, nobody can say.
pub fn check_room(plan: &mut Plan, sources: &Sources, configuration: &mut Configuration) -> bool {
    place(plan, sources, admin::known_runtime_file);
    let Some(cache) = &plan.cache else {
        return true;
    };
    let folder = match cache.common_path().and_then(Path::parent) {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return true,
    };
    let Some(room) = room_bytes(folder) else {
        return true;
    };
    let missing = cache.regions.iter().map(missing_bytes);
    let missing = missing.fold(0, u64::saturating_add);
    if missing <= room {
        return true;
    }
    let all = cache.regions.iter().map(|region| region.capacity_bytes);
    let all = all.fold(0, u64::saturating_add);
    let message = format!(
        "the cache's regions, {} together, do not fit into `{}`",
        sized(all),
        folder.display()
    );
    let hint = format!(
        "they need {} more, and its file system has {}: name smaller capacities, or a larger one \
         by `path` in [cache]",
        sized(missing),
        sized(room)
    );
    // The last region is the one that the others leave no room for, as far as people see it.
    let pointer = cache.regions.last().map_or("/cache", |last| &*last.pointer);
    configuration.add_problem(None, Severity::Error, pointer, &message, Some(hint));
    false
}

/// What the file system must still give for `region`: nothing for a file that will be used on. One
/// of another size is replaced, and makes room only when the new one is there.
fn missing_bytes(region: &RegionPlan) -> u64 {
    let about = region
        .path
        .as_ref()
        .and_then(|path| fs::metadata(path).ok());
    match about {
        Some(about) if is_of(&about, region) => {
            let given = about.blocks().saturating_mul(STAT_BLOCK_BYTES);
            region.capacity_bytes.saturating_sub(given)
        }
        _ => region.capacity_bytes,
    }
}

/// Its size is that of `region`, rounded up to what its file system maps.
fn is_of(about: &fs::Metadata, region: &RegionPlan) -> bool {
    let block = about.blksize().max(1);
    about.is_file() && about.len() >= region.capacity_bytes && {
        let whole = region.capacity_bytes.checked_next_multiple_of(block);
        whole.is_some_and(|whole| about.len() <= whole)
    }
}

/// What `st_blocks` counts in.
const STAT_BLOCK_BYTES: u64 = 512;

/// Takes the files away that no stage of `plan`, which serves now, uses any more: `before` served
/// until now. In the runtime directory, where names are this gateway's own, also those of earlier
/// runs.
pub(super) fn tidy(plan: &Plan, before: Option<&Plan>, sources: &Sources) {
    let mut left = left_files(plan, before);
    if let Some(cache) = &plan.cache
        && let Some(common) = cache.common_path()
        && common.file_name() == Some(default_name(sources).as_ref())
    {
        let used: Vec<&Path> = (cache.regions.iter())
            .filter_map(|region| region.path.as_deref())
            .collect();
        let all = beside(common);
        left.extend(
            all.into_iter()
                .filter(|file| !used.contains(&file.as_path())),
        );
    }
    for file in left {
        match fs::remove_file(&file) {
            Ok(()) => eprintln!("tidegate: removed {}, which no stage uses", file.display()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => eprintln!("tidegate: cannot remove {}: {error}", file.display()),
        }
    }
}

/// Holds the regions of `gone` that `stays` has not until the last request has let go of them, and
/// ends their maps on a thread of its own: with tens of gigabytes that takes longer than a worker may
/// stand still.
#[allow(clippy::disallowed_methods)] // the thread is no core
pub(super) fn let_go(core: &Rc<Core>, gone: &Blueprint, stays: &Blueprint) {
    let stores: Vec<Arc<Store>> = gone.caches_without(stays);
    if stores.is_empty() {
        return;
    }
    let here = Rc::clone(core);
    core.spawn(async move {
        let is_held = |store: &Arc<Store>| Arc::strong_count(store) > 1;
        while stores.iter().any(is_held) {
            here.sleep_until(here.now().plus_ms(HELD_LOOK_MS)).await;
        }
        // Without a thread they end here: the control core may stand still for a while.
        let _ = thread::Builder::new()
            .name("tidegate-unmap".to_owned())
            .spawn(move || drop(stores));
    });
}

/// How often it is looked whether regions are still used.
const HELD_LOOK_MS: u64 = 1_000;

/// The files of single stages that lie beside `common`.
fn beside(common: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (common.parent(), common.file_name()) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let begin = format!("{}.", name.display());
    let is_of_stage = |name: &str| {
        name.strip_prefix(&begin)
            .is_some_and(|rest| rest.contains('@'))
    };
    (entries.flatten())
        .filter(|entry| entry.file_name().to_str().is_some_and(is_of_stage))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_edge::plan::RegionOf;

    #[test]
    fn a_file_that_is_used_on_needs_no_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("region");
        let capacity_bytes = 1 << 20;
        let region = RegionPlan {
            of: RegionOf::Common,
            path: Some(path.clone()),
            capacity_bytes,
            pointer: "/cache/capacity".into(),
        };
        assert_eq!(missing_bytes(&region), capacity_bytes, "no file");
        let rows = [
            (vec![7; 1 << 20], 0, "whole"),
            (vec![7; 1 << 19], capacity_bytes, "too short"),
            (vec![7; 1 << 21], capacity_bytes, "too long"),
        ];
        for (bytes, expected, name) in rows {
            fs::write(&path, bytes).expect("a file");
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .expect("its blocks");
            assert_eq!(missing_bytes(&region), expected, "{name}");
        }
        let file = fs::File::create(&path).expect("emptied");
        file.set_len(capacity_bytes).expect("a hole");
        assert_eq!(missing_bytes(&region), capacity_bytes, "a hole");
    }

    #[test]
    fn only_files_of_stages_lie_beside_the_common_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let common = folder.path().join("responses-1.cache");
        let rows = [
            ("responses-1.cache", false),
            ("responses-1.cache.new", false),
            ("responses-1.cache.a@dev", true),
            ("responses-1.cache.a@dev.new", true),
            ("responses-2.cache.a@dev", false),
            ("notes.a@dev", false),
        ];
        for (name, _) in rows {
            fs::write(folder.path().join(name), b"x").expect("a file");
        }
        let found = beside(&common);
        for (name, is_beside) in rows {
            let file = folder.path().join(name);
            assert_eq!(found.contains(&file), is_beside, "{name}");
        }
    }
}
