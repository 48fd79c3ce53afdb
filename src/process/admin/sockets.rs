//! Where the operators' door is.
//!
//! What it is: finds, opens and removes the admin sockets. Without a setting the first usable
//! folder of [`socket_candidates`] takes it; a socket on which another gateway answers is left
//! alone. Shape: [`File`] remembers which file is ours. Units: none. Errors: [`AdminError`] for
//! what was asked for; the default socket may be missing, with a word on standard error.
//! Source: systemd.exec(5) on `RUNTIME_DIRECTORY`; XDG base directories.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use tidegate_edge::{
    exec::Core,
    plan::AdminPlan,
    ring::{Errno, Fd, ListenAddress},
};

use super::{Door, Kind};
use crate::process::listeners::Open;

/// An admin socket that was asked for and cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminError {
    /// Another gateway answers there.
    #[error("another gateway answers on the admin socket {0}")]
    InUse(String),
    /// The system refused it.
    #[error("cannot listen on the admin socket {address}: {errno}")]
    Listen {
        /// Path or address.
        address: String,
        /// Why.
        errno: Errno,
    },
}

/// A socket's file, and which one it was when it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

impl File {
    /// A file that nobody made.
    #[cfg(test)]
    pub(super) fn unbound(path: PathBuf) -> File {
        let identity = None;
        File { path, identity }
    }

    fn bound(path: PathBuf) -> File {
        let identity = identity(&path);
        File { path, identity }
    }

    /// Takes it away, unless another gateway has put its own there since.
    pub(super) fn remove(&self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// The paths tried when the settings name none, the best first.
#[must_use]
pub fn socket_candidates() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let mut paths = Vec::new();
    if let Some(folders) = variable("RUNTIME_DIRECTORY") {
        let first = folders.split(':').next().unwrap_or_default();
        paths.push(Path::new(first).join("admin.sock"));
    }
    paths.push(PathBuf::from("/run/tidegate/admin.sock"));
    if let Some(folder) = variable("XDG_RUNTIME_DIR") {
        paths.push(Path::new(&folder).join("tidegate-admin.sock"));
    }
    if let Some(user) = user() {
        paths.push(std::env::temp_dir().join(format!("tidegate-{user}/admin.sock")));
    }
    paths
}

/// A file of that name in the best runtime directory that there is or that can be made.
#[must_use]
pub fn runtime_file(name: &str) -> Option<PathBuf> {
    let folders = socket_candidates();
    folders
        .iter()
        .filter_map(|path| path.parent())
        .find_map(|folder| {
            fs::create_dir_all(folder).ok()?;
            file_in(folder, name)
        })
}

/// The same without making a directory, for who only looks.
#[must_use]
pub fn known_runtime_file(name: &str) -> Option<PathBuf> {
    let folders = socket_candidates();
    let mut folders = folders.iter().filter_map(|path| path.parent());
    folders.find_map(|folder| file_in(folder, name))
}

/// A file of that name in `folder`, if one can be made there.
fn file_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let probe = folder.join(format!(".{name}.{}", std::process::id()));
    fs::write(&probe, b"").ok()?;
    fs::remove_file(&probe).ok()?;
    Some(folder.join(name))
}

/// The name under which a successor finds the socket.
pub(super) fn name(kind: &Kind) -> String {
    match kind {
        Kind::Socket(file) => socket_name(&file.path),
        Kind::Loopback(address) => address_name(*address),
    }
}

fn socket_name(path: &Path) -> String {
    format!("admin:{}", path.display())
}

fn address_name(address: SocketAddr) -> String {
    format!("admin:{address}")
}

pub(super) fn open(
    core: &Rc<Core>,
    plan: &AdminPlan,
    open: &mut Open,
) -> Result<Vec<Door>, AdminError> {
    let mut doors = Vec::new();
    match &plan.socket {
        Some(path) => doors.push(open_socket(core, path, open)?),
        None => doors.extend(open_default(core, open)),
    }
    if let Some(address) = plan.address {
        let fd = match open.take(&address_name(address)) {
            Some(fd) => fd,
            None => listen(core, &ListenAddress::Tcp(address), address.to_string())?,
        };
        let kind = Kind::Loopback(address);
        doors.push(Door { kind, fd });
    }
    Ok(doors)
}

/// The first folder that works; without one the gateway runs without the socket.
fn open_default(core: &Rc<Core>, open: &mut Open) -> Option<Door> {
    let candidates = socket_candidates();
    let inherited = candidates
        .iter()
        .position(|path| open.has(&socket_name(path)));
    for path in candidates.iter().skip(inherited.unwrap_or(0)) {
        if inherited.is_none() && !folder_is_usable(path) {
            continue;
        }
        match open_socket(core, path, open) {
            Ok(door) => return Some(door),
            Err(error @ AdminError::InUse(_)) => {
                eprintln!(
                    "tidegate: {error}; this one runs without (set `[admin] socket` to have one)"
                );
                return None;
            }
            Err(AdminError::Listen { .. }) => {}
        }
    }
    eprintln!("tidegate: no folder for an admin socket; set `[admin] socket` to have one");
    None
}

fn open_socket(core: &Rc<Core>, path: &Path, open: &mut Open) -> Result<Door, AdminError> {
    let fd = match open.take(&socket_name(path)) {
        Some(fd) => fd,
        None if UnixStream::connect(path).is_ok() => {
            return Err(AdminError::InUse(path.display().to_string()));
        }
        None => {
            let address = ListenAddress::Unix(path.to_owned());
            listen(core, &address, path.display().to_string())?
        }
    };
    let kind = Kind::Socket(File::bound(path.to_owned()));
    Ok(Door { kind, fd })
}

fn listen(core: &Rc<Core>, address: &ListenAddress, text: String) -> Result<Fd, AdminError> {
    core.listen(address, false)
        .map_err(|errno| AdminError::Listen {
            address: text,
            errno,
        })
}

/// The folder is there or can be made, and in a place that others write to it is ours alone.
fn folder_is_usable(path: &Path) -> bool {
    let Some(folder) = path.parent() else {
        return false;
    };
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(_) => return false,
    }
    let Ok(found) = fs::symlink_metadata(folder) else {
        return false;
    };
    let is_private = user() == Some(found.uid()) && found.mode() & 0o022 == 0;
    found.is_dir() && (is_private || !folder.starts_with(std::env::temp_dir()))
}

/// The user that runs this process.
fn user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|found| found.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_ours_any_more_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        fs::write(&path, "ours").expect("a file");
        let file = File::bound(path.clone());
        let other = folder.path().join("other");
        fs::write(&other, "theirs").expect("a file");
        fs::rename(&other, &path).expect("replaced");
        file.remove();
        assert!(path.exists(), "another gateway's file");
        File::bound(path.clone()).remove();
        assert!(!path.exists(), "our own");
    }

    #[test]
    fn only_a_private_folder_in_a_shared_place_will_do() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let rows = [(0o700, true), (0o755, true), (0o777, false), (0o720, false)];
        for (mode, expected) in rows {
            let path = folder.path().join(format!("{mode:o}/admin.sock"));
            let parent = path.parent().expect("a parent");
            fs::create_dir(parent).expect("a folder");
            fs::set_permissions(parent, fs::Permissions::from_mode(mode)).expect("a mode");
            assert_eq!(folder_is_usable(&path), expected, "{mode:o}");
        }
        assert!(folder_is_usable(&folder.path().join("new/admin.sock")));
        assert!(!folder_is_usable(&folder.path().join("a/b/admin.sock")));
    }
}
