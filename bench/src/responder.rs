//! What: the floor for answers that need no origin: a fixed response to whatever arrives.
//! Shape: no state per connection.
//! Units: none.
//! Errors: a ring that fails ends the program.
//! Source: this crate's `ring`.

use std::io;

use clap::{ArgMatches, Command};

use crate::ring::Event;
use crate::server::{self, Place};

/// The parser.
pub(crate) fn command() -> Command {
    server::command("responder", "Answer every receive with fixed bytes").args(server::answer())
}

/// Serves until its input ends.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    serve(Place::open(matches)?, server::response(matches))?;
    Ok(true)
}

/// Answers each receive with `response`; right for clients that do not pipeline.
fn serve(place: Place, response: &'static [u8]) -> io::Result<()> {
    let mut ring = place.ring()?;
    let mut events = Vec::new();
    loop {
        ring.turn(&mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Accepted(_) => {}
                Event::Received { socket, buffer, .. } => {
                    ring.give_back(buffer);
                    ring.send_fixed(socket, response);
                }
                Event::Ended(socket) => ring.close(socket),
                Event::Stop => return Ok(()),
            }
        }
    }
}
