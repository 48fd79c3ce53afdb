//! What: rival proxies measured in the same run with the same load.
//! Shape: a configuration template with `@NAME@` places, filled for one case.
//! Units: none.
//! Errors: `io::Error` with the peer's own messages; a peer that is not installed is said so.
//! Source: configs/peers/.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::certificate::Certificate;
use crate::idle;
use crate::process::{Server, free_address};

/// Starts nginx as a keep-alive reverse proxy, one worker, no access log.
pub(crate) fn start_nginx(
    cpu: usize,
    tls: Option<&Certificate>,
    origin: SocketAddr,
    directory: &Path,
) -> io::Result<Server> {
    fs::create_dir_all(directory)?;
    let address = free_address()?;
    let (listen_tls, certificate) = match tls {
        None => ("", String::new()),
        Some(Certificate { certificate, key }) => {
            let (certificate, key) = (certificate.display(), key.display());
            (
                " ssl",
                format!("ssl_certificate {certificate};\n    ssl_certificate_key {key};"),
            )
        }
    };
    let config = NGINX_TEMPLATE
        .replace("@DIRECTORY@", &directory.display().to_string())
        .replace("@LISTEN@", &format!("{address}{listen_tls}"))
        .replace("@CERTIFICATE@", &certificate)
        .replace("@ORIGIN@", &origin.to_string());
    let path = directory.join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&path).arg("-p").arg(directory);
    let tls = tls.map(Certificate::client_config).transpose()?;
    let ready = || idle::open_one(address, tls.as_ref()).map(|_| ());
    let messages = directory.join("messages.txt");
    Server::foreign(cpu, "nginx", &mut command, address, &messages, &ready).map_err(|error| {
        match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("nginx is missing; apt-get install nginx"),
            _ => error,
        }
    })
}

const NGINX_TEMPLATE: &str = include_str!("../../configs/peers/nginx-floor.conf");
