//! What simulated clients and origins share: sending bytes.
//!
//! What it is: from slices to pool buffers, with a bound on what waits. Shape: functions. Units:
//! bytes. Errors: `None` when the connection failed. Source: own.

use std::rc::Rc;

use crate::{
    base::time::Mono,
    exec::{Core, Stream},
};

/// Bytes that may wait in a socket before its peer waits too.
pub(super) const AHEAD_BYTES: usize = 32 * 1024;

/// Queues `bytes`; `false` when the pool has no room for them now.
pub(super) fn queue(core: &Core, stream: &mut Stream, bytes: &[u8]) -> bool {
    let room = core.pool().buffer_bytes() as usize;
    if core.pool().free_count() <= bytes.len() / room + 1 {
        return false;
    }
    for part in bytes.chunks(room) {
        let Some(mut buf) = core.pool().take() else {
            return false; // counted above
        };
        buf.extend(part);
        stream.send(buf.freeze());
    }
    true
}

/// Sends `bytes` as fast as the other end reads.
pub(super) async fn send_all(core: &Rc<Core>, stream: &mut Stream, bytes: &[u8]) -> Option<()> {
    while !queue(core, stream, bytes) {
        core.sleep_until(core.now().plus_ms(1)).await;
    }
    stream.sent(AHEAD_BYTES, Mono::FAR).await.ok()
}
