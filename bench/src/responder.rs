//! What: the floor for answers that need no origin: a fixed response to whatever arrives.
//! Shape: no state per connection.
//! Units: none.
//! Errors: a ring that fails ends the program.
//! Source: this crate's `ring`.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use crate::ring::{Event, Ring, Sizes};

/// Answers each receive with `response`; right for clients that do not pipeline.
pub(crate) fn run(
    listener: TcpListener,
    stop: OwnedFd,
    response: &'static [u8],
    sizes: Sizes,
) -> io::Result<()> {
    let mut ring = Ring::new(listener, stop, sizes)?;
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
