//! What: what the commands that serve have in common: where they accept, and when they end.
//! Shape: [`command`] makes such a command, [`Place::open`] takes what it was given.
//! Units: as `arguments` has them.
//! Errors: `io::Error` when the address cannot be had.
//! Source: whoever starts such a server reads its address from its first line of output.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::ring::{Ring, Sizes};
use crate::{arguments, origin, template};

/// A command that serves.
pub(crate) fn command(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .args(arguments::buffers())
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS")
                .default_value("127.0.0.1:0")
                .help("Where to accept; the server ends when its standard input does"),
        )
}

/// The arguments of a command whose answer is fixed.
pub(crate) fn answer() -> [Arg; 3] {
    let header = Arg::new("header")
        .long("header")
        .value_name("NAME: VALUE")
        .action(ArgAction::Append)
        .help("A header line of each answer (repeatable)");
    let order = Arg::new("order")
        .long("order")
        .action(ArgAction::SetTrue)
        .help("Answer with the order that `template` maps instead of --body-bytes");
    [arguments::body(), header, order]
}

/// That answer, whole.
pub(crate) fn response(matches: &ArgMatches) -> &'static [u8] {
    let headers = arguments::names(matches, "header");
    if matches.get_flag("order") {
        return origin::response_of("application/json", template::BODY.as_bytes(), &headers);
    }
    origin::response(arguments::body_bytes(matches), &headers)
}

/// Where a server accepts.
pub(crate) struct Place {
    pub(crate) listener: TcpListener,
    /// Its end is the server's.
    pub(crate) stop: OwnedFd,
    pub(crate) sizes: Sizes,
}

impl Place {
    /// Listens, and says where.
    pub(crate) fn open(matches: &ArgMatches) -> io::Result<Place> {
        let address: &String = matches.get_one("listen").expect("it has a default");
        let listener = TcpListener::bind(address)?;
        println!("listening {}", listener.local_addr()?);
        Ok(Place {
            listener,
            stop: io::stdin().as_fd().try_clone_to_owned()?,
            sizes: arguments::sizes(matches),
        })
    }

    /// The ring that accepts there.
    pub(crate) fn ring(self) -> io::Result<Ring> {
        Ring::new(self.listener, self.stop, self.sizes)
    }
}
