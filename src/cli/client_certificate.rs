//! `tidegate client-certificate generate NAME`: what a stage shows to its backends.
//!
//! Shape: [`Generate`]; a certificate that signs itself and its key, two PEM files as the table
//! `[client_certificates.NAME]` names them. Units: days. Ranges: names of 1 to 64 letters, digits,
//! `-` and `_`. Errors: 2 for a name that is none, 1 when a file is there already or cannot be
//! written. Source: Amazon API Gateway developer guide, "generate and configure an SSL certificate
//! for backend authentication"; RFC 5280.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tidegate_edge::base::time::Wall;
use zeroize::Zeroizing;

use super::{Exit, store};
use crate::store::period::{date_text, day_at};

/// A pair to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generate {
    /// The id of the certificate, and the name that it is about.
    pub name: String,
    /// Where the two files go.
    pub folder: PathBuf,
    /// Files of that name give way.
    pub replace: bool,
}

/// How long a certificate is valid.
const VALID_DAYS: u64 = 365;
const DAY_MS: u64 = 86_400_000;

impl Generate {
    /// Takes it from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<Generate> {
        let ("generate", given) = given.subcommand()? else {
            return None;
        };
        Some(Generate {
            name: given.get_one::<String>("name")?.clone(),
            folder: given.get_one::<PathBuf>("out")?.clone(),
            replace: given.get_flag("replace"),
        })
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

/// Adds the command.
pub(super) fn arguments(command: Command) -> Command {
    let name = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .value_parser(name)
        .help("Id of the certificate, as in `client_certificate_id`; also the name it is about");
    let out = Arg::new("out")
        .long("out")
        .value_name("FOLDER")
        .default_value(".")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Where NAME.pem and NAME.key are written");
    let replace = Arg::new("replace")
        .long("replace")
        .action(ArgAction::SetTrue)
        .help("Replace the files of that name, to rotate the certificate");
    let generate = Command::new("generate")
        .about("Make a certificate that signs itself, valid for 365 days, and its key")
        .args([name, out, replace]);
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(generate)
        .after_help(
            "Examples:
  tidegate client-certificate generate backend --out tls
  tidegate client-certificate generate backend --out tls --replace && systemctl reload tidegate

Backends get NAME.pem as the only certificate that they trust of clients. NAME.key is the gateway's
alone; its mode is 0600.",
        )
}

/// Makes it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(wanted) = Generate::read(given) else {
        return Exit::Usage.into();
    };
    match generate(&wanted, store::now()) {
        Ok(text) => {
            // A reader that left has what it wanted.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            Exit::Ok.into()
        }
        Err(reason) => {
            eprintln!("tidegate: {reason}");
            Exit::Failed.into()
        }
    }
}

/// Writes the pair; gives what to do with it.
fn generate(wanted: &Generate, now: Wall) -> Result<String, String> {
    let (chain, key) = (wanted.file("pem"), wanted.file("key"));
    let there = [&chain, &key].into_iter().find(|file| file.exists());
    if let Some(file) = there.filter(|_| !wanted.replace) {
        let file = file.display();
        return Err(format!(
            "{file} is there already; --replace puts a new one in its place"
        ));
    }
    let pair = pair(&wanted.name, now).map_err(|error| error.to_string())?;
    let fault = |file: &Path| {
        let file = file.display().to_string();
        move |error: io::Error| format!("{file}: {error}")
    };
    // The key first: a gateway that reloads in between refuses the pair and goes on with the old.
    write(&key, pair.key.as_bytes(), 0o600).map_err(fault(&key))?;
    write(&chain, pair.certificate.as_bytes(), 0o644).map_err(fault(&chain))?;
    let until = date_text(day_at(Wall(now.0 + VALID_DAYS * DAY_MS)));
    let Generate { name, .. } = wanted;
    Ok(format!(
        "valid until {until}; in the settings:\n\n[client_certificates.{name}]\n\
         certificate = \"{}\"\nkey = \"{}\"\n\n[apis.stages.STAGE]\n\
         client_certificate_id = \"{name}\"\n",
        chain.display(),
        key.display(),
    ))
}

/// A certificate and its key as PEM.
struct Pair {
    certificate: String,
    key: Zeroizing<String>,
}

fn pair(name: &str, now: Wall) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.0 / 1_000);
    params.not_after = params.not_before + Duration::from_millis(VALID_DAYS * DAY_MS);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // Tells it from an earlier one of the same name, where a backend trusts both.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.self_signed(&key)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    })
}

/// Puts `bytes` in place of `file`, whole or not at all, even if the power fails.
fn write(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let fresh = file.with_extension(format!("new.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut out = options.open(&fresh)?;
    let placed = out
        .write_all(bytes)
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::rename(&fresh, file));
    if placed.is_err() {
        let _ = fs::remove_file(&fresh); // half a file is of no use to anybody
        return placed;
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all() // the name too
}

fn name(text: &str) -> Result<String, String> {
    const NAME_BYTES_MAX: usize = 64;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters, digits, `-` or `_`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tidegate_edge::net::tls::load::read_identity;

    const NOW: Wall = Wall(1_767_225_600_000); // 2026-01-01

    #[test]
    fn a_pair_is_made_once_and_replaced_when_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut wanted = Generate {
            name: "backend".to_owned(),
            folder: dir.path().to_owned(),
            replace: false,
        };
        let said = generate(&wanted, NOW).expect("made");
        assert!(said.contains("valid until 2027-01-01"), "{said}");
        assert!(said.contains("[client_certificates.backend]"), "{said}");
        let (chain, key) = (wanted.file("pem"), wanted.file("key"));
        let first = read_identity(&chain, &key).expect("a pair");
        let mode = |file: &Path| fs::metadata(file).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&key), 0o600);
        let refused = generate(&wanted, NOW).expect_err("there already");
        assert!(refused.contains("--replace"), "{refused}");
        let same = read_identity(&chain, &key).expect("a pair");
        assert_eq!(first.chain, same.chain);
        wanted.replace = true;
        generate(&wanted, NOW).expect("replaced");
        let other = read_identity(&chain, &key).expect("a pair");
        assert_ne!(first.chain, other.chain);
        let names: Vec<_> = fs::read_dir(dir.path()).expect("a folder").collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
