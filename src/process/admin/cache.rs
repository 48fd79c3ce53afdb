//! Orders to the response cache of this process.
//!
//! What it is: figures and flushes are done at once; whatever walks over the store or opens an owner
//! of it is done on a thread of its own, one at a time, while the control core goes on. Shape:
//! [`answer`] takes an [`Order`] and gives an [`Answer`]. Units: none. Errors: 404 without a cache,
//! 409 while another walk is under way, and those of [`crate::cache::work`]. Source: none.

use std::{
    os::{fd::IntoRawFd, unix::net::UnixStream},
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use serde_json::{Value, json};
use tidegate_edge::{base::time::Mono, exec::Stream, ring::Fd, telemetry::metrics::Metric};

use super::routes::Answer;
use crate::{
    cache::{Order, Refused, work},
    process::control::Control,
};

/// Does `order`.
pub(super) async fn answer(control: &Rc<Control>, order: Order) -> Answer {
    match done(control, order).await {
        Ok(value) => Answer::json(200, &value),
        Err(refused) => Answer::text(refused.status, format!("{}\n", refused.reason)),
    }
}

async fn done(control: &Rc<Control>, order: Order) -> Result<Value, Refused> {
    let (regions, plan) = (
        control.regions(),
        Arc::clone(&control.blueprint.borrow().plan),
    );
    if regions.is_empty() {
        return Err(Refused::new(404, "this gateway has no cache"));
    }
    let now = control.core.wall();
    match order {
        Order::Stat => {
            let mut value = work::stat(&regions);
            if let Some(object) = value.as_object_mut() {
                object.insert("answers".to_owned(), answers(control));
            }
            Ok(value)
        }
        Order::Flush(_) => work::perform(&order, &regions, Some(&plan), now),
        Order::Purge(_) | Order::Get(_) | Order::Verify => {
            let walking = &control.admin.walking;
            if walking.replace(true) {
                return Err(Refused::new(
                    409,
                    "another walk over the cache is under way",
                ));
            }
            let done = aside(control, move || {
                work::perform(&order, &regions, Some(&plan), now)
            });
            let done = done.await;
            walking.set(false);
            done.unwrap_or_else(|| Err(Refused::new(500, "no thread can be started")))
        }
    }
}

/// What this process has answered since it started.
fn answers(control: &Control) -> Value {
    let registry = control.registry.borrow();
    json!({
        "hits": registry.sum(Metric::CacheHits),
        "misses": registry.sum(Metric::CacheMisses),
        "stale_if_error": registry.sum(Metric::CacheStale),
        "collapsed": registry.sum(Metric::CacheCollapsed),
    })
}

/// Runs `work` on a thread of its own and waits for it without holding the core; `None` when the
/// system has no thread or no socket pair.
async fn aside<T: Send + 'static>(
    control: &Control,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (reader, writer) = UnixStream::pair().ok()?;
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        // Who waits is the control core, which outlives its orders.
        let _ = sender.send(work());
        drop(writer); // its end is the signal
    };
    thread::Builder::new()
        .name("tidegate-cache".to_owned())
        .spawn(run)
        .ok()?;
    let mut ends = Stream::new(&control.core, Fd(reader.into_raw_fd()));
    while ends.recv(Mono::FAR).await.is_ok() {}
    receiver.try_recv().ok()
}
